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

from grouping.domain.datasets import NO_CLASS
from grouping.domain.tasks import TaskKind
from grouping.recipes.losses import Constants


class TargetForm(ABC):
    """Encoding of targets of one kind, and decoding of predictions to the target's own units."""

    @abstractmethod
    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """Encode targets for the loss, rows first; the result is a copy."""

    @abstractmethod
    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """Decode predictions to the target's own units, ``[rows, n_outputs]``."""

    def averaged(self, outputs: Tensor) -> Tensor:
        """Return raw outputs that stand for the mean prediction of several networks.

        Args:
            outputs: raw outputs of each, ``[networks, rows, ...]``.
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

    def averaged(self, outputs: Tensor) -> Tensor:
        """Average probabilities; see `TargetForm.averaged`."""
        return outputs.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(outputs))


class YesOrNo(TargetForm):
    """A column of 0 and 1, ``[rows, 1]`` float32; decoded to the probability of 1."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm.encode`."""
        return torch.from_numpy(np.array(target, dtype=np.float32)).unsqueeze(1)

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm.decode`."""
        return predictions.sigmoid()

    def averaged(self, outputs: Tensor) -> Tensor:
        """Average probabilities; see `TargetForm.averaged`."""
        return functional.logsigmoid(outputs).logsumexp(dim=0) - functional.logsigmoid(-outputs).logsumexp(
            dim=0
        )


def labelled(target: Tensor) -> Tensor:
    """Return which rows of an encoded target have a label, ``[rows]``.

    A row has none where a number, or a truth value, is NaN, or where the class number is negative.
    """
    if not target.is_floating_point():
        return target >= 0
    known: Tensor = target.isnan().reshape(len(target), -1).any(dim=1).logical_not()
    return known


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
}
