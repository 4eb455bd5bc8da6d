"""Interface of schedules: a training as a sequence of phases, each going on from the last one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from grouping.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Phase:
    """A number of epochs on some of the tasks, with a fresh optimiser and a full decay of the learning rate.

    Attributes:
        epochs: number of epochs; at least 1.
        tasks: names of the tasks that are trained, in the order of the network; the others keep their heads.
        rates: factor on the learning rate by depth, from the inputs up (see `MultiTaskNetwork.depths`; the
            last one is for all above, heads included); 0 freezes. Empty for 1 everywhere.
    """

    epochs: int
    tasks: tuple[str, ...]
    rates: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.epochs < 1 or not self.tasks:
            raise TrainingError("A phase needs at least one epoch and one task.")


class Schedule(ABC):
    """Divides a training into phases. A subclass is built from its declaration."""

    @abstractmethod
    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """Return the phases of a training, `n_epochs` together; a shorter training is cut at its end.

        Args:
            tasks: names of the tasks of the network, in order.
            n_epochs: epochs of a training at full fidelity.
            n_depths: depths of the network, heads included.

        Raises:
            InvalidInputError: if there are too few epochs for the phases.
        """
