"""Interface of augmentations: rows of a gradient step in, changed rows out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grouping.training.data import TrainingData


class Augmentation(ABC):
    """Changes rows of training, inputs and targets together. Rows that are scored stay as they are.

    What it draws, it draws from the generator it is given, and how much it draws depends on the inputs alone:
    then networks of one seed see the same rows, whatever their groups, and may be stacked.

    Args:
        data: the data set, with the tasks of the job.
        declaration: the declaration of the method.

    Attributes:
        changes_rows: whether there is anything to be done.
    """

    changes_rows: bool = True

    def __init__(self, data: TrainingData, declaration: Any) -> None:
        self.data = data
        self.declaration = declaration

    @abstractmethod
    def apply(
        self, inputs: Tensor, targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return changed rows; what it is given stays.

        Args:
            inputs: ``[rows, features]``.
            targets: encoded targets of some tasks, rows first: see `grouping.training.data.Rows`. Maps are
                flat, channel by channel, scaled, and centred pixel by pixel.
            generator: what to draw from, on the CPU.
        """


class NoAugmentation(Augmentation):
    """Rows as they are."""

    changes_rows = False

    def apply(
        self, inputs: Tensor, targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See `Augmentation.apply`."""
        return inputs, targets
