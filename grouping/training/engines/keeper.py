"""Interface that saves the states of trainings, to go on elsewhere or after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from grouping.domain.trainings.trials import TrialRequest


class Keeper(Protocol):
    """Loads and saves the state of single trainings, in the format of `Training.state_dict`.

    The engine that carries a training out is no part of its state: what one engine saved, any other can go
    on from.
    """

    def load(self, request: TrialRequest) -> Mapping[str, Tensor] | None:
        """Return the state to go on from; None to start anew. Called once, before anything is trained."""

    def is_due(self, epoch: int) -> bool:
        """Return whether states are to be saved after this many epochs. Called after every epoch.

        Epochs of a preparation do not count, but it is called after each of them too.
        """

    def save(self, request: TrialRequest, state: Mapping[str, Tensor], epoch: int) -> None:
        """Save the state of a training: copies, on the device of the data.

        `epoch` is the number of all epochs carried out, those of its preparation included.
        """

    def ended(self, request: TrialRequest, weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Take notice of a training that succeeded.

        `weights` copies those that were scored, parameters and buffers by their names in the network.
        """
