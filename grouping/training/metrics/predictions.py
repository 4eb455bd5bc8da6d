"""Predictions and targets, from which a metric is computed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from grouping.recipes.losses import Constants


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of a network for some rows, with their targets.

    Attributes:
        predicted: ``[rows, n_outputs]``: numbers in the units of `wanted`, or logits.
        wanted: encoded targets: numbers ``[rows, n_outputs]``, centred and scaled; class numbers ``[rows]``;
            0 and 1 ``[rows, 1]``. Of maps of classes, directions and several labels, and of maps with gaps,
            each labelled pixel or label is a row.
        constants: constants by which numbers were centred and scaled.
    """

    predicted: Tensor = field(repr=False)
    wanted: Tensor = field(repr=False)
    constants: Constants

    def in_own_units(self) -> tuple[Tensor, Tensor]:
        """Return predicted and true numbers in the units of the data, ``[rows, n_outputs]`` float64."""
        center = torch.from_numpy(self.constants.center).to(self.predicted.device)
        scaled = (self.predicted.double(), self.wanted.double())
        predicted, wanted = (numbers * self.constants.scale + center for numbers in scaled)
        return predicted, wanted

    def cosines(self) -> Tensor:
        """Return the cosine of the angle between predicted and true direction, ``[rows]`` float64."""
        cosines: Tensor = torch.nn.functional.cosine_similarity(
            self.predicted.double(), self.wanted.double(), dim=1
        )
        return cosines

    def classes(self) -> tuple[Tensor, Tensor]:
        """Return the predicted and the true class of each row, ``[rows]`` int64; 0 and 1 for no and yes."""
        if self.wanted.is_floating_point():
            return (self.predicted > 0).flatten().long(), (self.wanted > 0.5).flatten().long()
        return self.predicted.argmax(dim=1), self.wanted
