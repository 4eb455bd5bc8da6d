"""Continual schedule: one task after another, in `T` phases with one task each.

Source: the setting in which McCloskey and Cohen (Psychology of Learning and Motivation 24, 1989) found that a
network forgets what it learned first. A task's head is not touched before or after its phase; the shared
layers go on from task to task. Nothing is done against forgetting: the schedule is what the others are to be
compared with. Optimiser and learning rate start afresh in every phase.
"""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import Continual
from grouping.training.schedules.division import divide_epochs, ordered
from grouping.training.schedules.schedule import Phase, Schedule


class ContinualSchedule(Schedule):
    """Schedule of one task after another; see the module."""

    def __init__(self, parameters: Continual) -> None:
        self._parameters = parameters

    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """Return one phase per task, in the order of the parameters; a single task is trained as jointly."""
        order = ordered(tasks, self._parameters.order)
        weights = [self._parameters.epoch_weights.get(task, 1.0) for task in order]
        epochs = divide_epochs(n_epochs, weights, Continual.name)
        return tuple(Phase(count, (task,)) for count, task in zip(epochs, order, strict=True))
