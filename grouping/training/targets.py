"""Targets as losses want them, by the kind of the task: numbers, classes, or yes and no."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.domain.tasks import TaskKind
from grouping.recipes.losses import Constants


class TargetForm(ABC):
    """How targets of a kind are encoded, and predictions told in the target's own units."""

    @abstractmethod
    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """Targets for the loss, rows first; a copy."""

    @abstractmethod
    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """Predictions as people read them, ``[rows, n_outputs]``."""


class Numbers(TargetForm):
    """Centred and scaled, ``[rows, n_outputs]`` float32; decoded, the numbers themselves."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm`."""
        scaled = (np.asarray(target, dtype=np.float64) - constants.center) / constants.scale
        return torch.from_numpy(scaled.astype(np.float32))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm`."""
        return predictions * constants.scale + torch.from_numpy(constants.center).to(predictions)


class Classes(TargetForm):
    """Class numbers, ``[rows]`` int64; decoded, probabilities of the classes."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm`."""
        return torch.from_numpy(np.array(target, dtype=np.int64))

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm`."""
        return predictions.softmax(dim=1)


class YesOrNo(TargetForm):
    """A column of 0 and 1, ``[rows, 1]`` float32; decoded, the probability of 1."""

    def encode(self, target: NDArray[np.generic], constants: Constants) -> Tensor:
        """See `TargetForm`."""
        return torch.from_numpy(np.array(target, dtype=np.float32)).unsqueeze(1)

    def decode(self, predictions: Tensor, constants: Constants) -> Tensor:
        """See `TargetForm`."""
        return predictions.sigmoid()


FORMS: Mapping[TaskKind, TargetForm] = {
    TaskKind.REGRESSION: Numbers(),
    TaskKind.DENSE_MAP: Numbers(),
    TaskKind.BINARY: YesOrNo(),
    TaskKind.MULTICLASS: Classes(),
    TaskKind.RANKING: Classes(),
}
