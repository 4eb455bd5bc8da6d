"""All tasks in every step, in one phase."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import Joint
from grouping.training.schedules.schedule import Phase, Schedule


class JointSchedule(Schedule):
    """See the module."""

    def __init__(self, parameters: Joint) -> None:
        pass

    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """One."""
        return (Phase(n_epochs, tuple(tasks)),)
