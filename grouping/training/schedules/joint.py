"""Joint schedule: all tasks in every step, in one phase."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import Joint
from grouping.training.schedules.schedule import Phase, Schedule


class JointSchedule(Schedule):
    """Schedule of one phase with all tasks."""

    def __init__(self, parameters: Joint) -> None:
        pass

    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """Return one phase with all tasks."""
        return (Phase(n_epochs, tuple(tasks)),)
