"""Lower on a plateau: PyTorch's `ReduceLROnPlateau`, on the validation loss of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from grouping.training.learning_rates.learning_rate import LearningRateSchedule

_REMEMBERED = ("best", "num_bad_epochs", "last_epoch", "cooldown_counter")


class PlateauSchedule(LearningRateSchedule):
    """Schedule that lowers the rate when the validation loss stays; see the module."""

    follows_validation = True

    def __init__(self, declaration: Any) -> None:
        super().__init__(declaration)
        # PyTorch's scheduler changes the rate of an optimiser: here of one that does nothing else.
        self._holder = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._scheduler = ReduceLROnPlateau(
            self._holder,
            factor=declaration.factor,
            patience=declaration.patience,
            threshold=declaration.threshold,
            min_lr=declaration.least,
        )

    def factor(self, epoch: float, n_epochs: int) -> float:
        """See `LearningRateSchedule.factor`."""
        return float(self._holder.param_groups[0]["lr"])

    def end_epoch(self, validation_loss: float) -> None:
        """See `LearningRateSchedule.end_epoch`."""
        self._scheduler.step(validation_loss)

    def state_dict(self) -> dict[str, Tensor]:
        """See `LearningRateSchedule.state_dict`."""
        numbers = [float(getattr(self._scheduler, name)) for name in _REMEMBERED]
        return {"plateau": torch.tensor([self.factor(0, 1), *numbers], dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """See `LearningRateSchedule.load_state_dict`."""
        rate, best, *counts = state["plateau"].tolist()
        self._holder.param_groups[0]["lr"] = rate
        self._scheduler.load_state_dict(
            {**self._scheduler.state_dict(), **dict(zip(_REMEMBERED, [best, *map(int, counts)], strict=True))}
        )
