"""Early stopping: a training ends once its validation loss has not fallen for some epochs.

It then has the weights of its best epoch. The loss is the sum of the normalised losses of the network's
tasks on the validation rows, whatever metric a task is chosen by: a loss changes with every step, where a
count of right answers often stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_NUMBERS = "best.numbers"
_WEIGHTS = "best."


class EarlyStopping:
    """The best epoch of one training so far.

    Args:
        patience: epochs without a lower loss after which the training ends; 0 for never, and then nothing is
            remembered.

    Attributes:
        epoch: number of the best epoch, counted from 1; 0 before the first.
        loss: its validation loss.
        weights: parameters and buffers after it; None before the first.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.epoch = 0
        self.loss = math.inf
        self.weights: Mapping[str, Tensor] | None = None

    @property
    def is_on(self) -> bool:
        """Whether validation losses are wanted."""
        return self.patience > 0

    def observe(self, epoch: int, loss: float, weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Take notice of an epoch.

        Args:
            epoch: epochs carried out.
            loss: validation loss after it; one that is not finite is no improvement.
            weights: makes copies of the parameters and buffers; called if the epoch is the best so far.
        """
        if loss < self.loss:
            self.epoch, self.loss, self.weights = epoch, loss, weights()

    def has_ended(self, epoch: int) -> bool:
        """Return whether the training ends after this many epochs."""
        return self.is_on and epoch - self.epoch >= self.patience

    def state_dict(self) -> dict[str, Tensor]:
        """Return its state, for checkpoints; nothing while there is none."""
        if self.weights is None:
            return {}
        numbers = torch.tensor([float(self.epoch), self.loss], dtype=torch.float64)
        return {_NUMBERS: numbers, **{f"{_WEIGHTS}{name}": value for name, value in self.weights.items()}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` returned, found in the state of a training."""
        if not self.is_on or _NUMBERS not in state:
            return
        epoch, self.loss = state[_NUMBERS].tolist()
        self.epoch = int(epoch)
        self.weights = {
            name.removeprefix(_WEIGHTS): value.clone()
            for name, value in state.items()
            if name.startswith(_WEIGHTS) and name != _NUMBERS
        }
