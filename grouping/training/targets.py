"""Encoding of targets for losses, by the kind of the task: numbers, classes, or yes and no.

Rows without a label stay such rows: NaN, or the class number -1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from grouping.domain.tasks import TaskKind
from grouping.domain.trainings.datasets import NO_CLASS
from grouping.recipes.losses import Constants


class TargetForm(ABC):
    """Encoding of targets of one kind, and decoding of predictions to the target's own units."""

    @abstractmethod
    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """Encode targets for the loss, rows first; the result is a copy."""

    @abstractmethod
    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """Decode predictions to the target's own units, ``[rows, n_outputs]``."""

    def averaged(self, outputs: Tensor, constants: Constants) -> Tensor:
        """Return raw outputs that stand for the mean prediction of several networks.

        Args:
            outputs: raw outputs of each, ``[networks, rows, n_outputs]``.
            constants: those of the target.
        """
        return outputs.mean(dim=0)


class Numbers(TargetForm):
    """Numbers, centred and scaled, ``[rows, n_outputs]`` float32; decoded to the numbers themselves."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        scaled = (np.asarray(target, dtype=np.float64) - constants.center) / constants.scale
        return torch.from_numpy(scaled.astype(np.float32))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        return predictions * constants.scale + torch.from_numpy(constants.center).to(predictions)


class Classes(TargetForm):
    """Class numbers, ``[rows]`` int64; decoded to probabilities of the classes."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        return torch.from_numpy(np.array(target, dtype=np.int64))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        return predictions.softmax(dim=1)

    def averaged(self, outputs: Tensor, constants: Constants) -> Tensor:
        """Average probabilities; see `TargetForm.averaged`."""
        return outputs.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(outputs))


class SeveralLabels(TargetForm):
    """Columns of 0 and 1, ``[rows, labels]`` float32; decoded to the probabilities of 1."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        return torch.from_numpy(np.array(target, dtype=np.float32))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        return predictions.sigmoid()

    def averaged(self, outputs: Tensor, constants: Constants) -> Tensor:
        """Average probabilities; see `TargetForm.averaged`."""
        yes, no = functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
        return yes.logsumexp(dim=0) - no.logsumexp(dim=0)


class YesOrNo(SeveralLabels):
    """A column of 0 and 1, ``[rows, 1]`` float32; decoded to the probability of 1."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        return super().encode(target, constants).unsqueeze(1)


class ClassMaps(Classes):
    """Class numbers of pixels, ``[rows, pixels]`` int64; decoded to probabilities at each pixel."""

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        by_pixel = predictions.reshape(len(predictions), -1, constants.n_elements)
        return by_pixel.softmax(dim=1).reshape(len(predictions), -1)

    def averaged(self, outputs: Tensor, constants: Constants) -> Tensor:
        """Average probabilities at each pixel; see `TargetForm.averaged`."""
        by_pixel = outputs.reshape(*outputs.shape[:2], -1, constants.n_elements)
        return super().averaged(by_pixel, constants).reshape(outputs.shape[1], -1)


class Directions(TargetForm):
    """Directions of length 1, ``[rows, 3 * pixels]`` float32; predictions are decoded to that length."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        vectors = np.array(target, dtype=np.float64).reshape(len(target), 3, -1)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return torch.from_numpy(unit.reshape(len(target), -1).astype(np.float32))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        vectors = predictions.reshape(len(predictions), 3, -1)
        unit: Tensor = functional.normalize(vectors, dim=1)
        return unit.reshape(len(predictions), -1)

    def averaged(self, outputs: Tensor, constants: Constants) -> Tensor:
        """Average directions; see `TargetForm.averaged`."""
        return torch.stack([self.decode(one, constants) for one in outputs]).mean(dim=0)


def labelled(target: Tensor) -> Tensor:
    """Return which rows of an encoded target have a label, ``[rows]``, if only in part.

    A number or truth value that is NaN is no label, and neither is a negative class number.
    """
    known = ~target.isnan() if target.is_floating_point() else target >= 0
    return known if known.ndim == 1 else known.reshape(len(target), -1).any(dim=1)


def without_labels(target: Tensor, rows: Tensor) -> Tensor:
    """Return a target without the labels of these rows, ``[rows]`` bool."""
    kept = rows.view(-1, *[1] * (target.ndim - 1))
    return target.masked_fill(kept, torch.nan if target.is_floating_point() else NO_CLASS)


FORMS: Mapping[TaskKind, TargetForm] = {
    TaskKind.REGRESSION: Numbers(),
    TaskKind.DENSE_MAP: Numbers(),
    TaskKind.BINARY: YesOrNo(),
    TaskKind.MULTICLASS: Classes(),
    TaskKind.RANKING: Classes(),
    TaskKind.MULTILABEL: SeveralLabels(),
    TaskKind.CLASS_MAP: ClassMaps(),
    TaskKind.NORMALS: Directions(),
}
