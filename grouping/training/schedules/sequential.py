"""Sequential schedule: tasks are added one by one: A, then A and B, then A, B and C.

No task is left out once it has begun. It is the counterpart of continual training without forgetting, since
earlier tasks go on being trained. The last phase has all tasks and a share ``s`` of the epochs (half of them
unless told); the ``T - 1`` phases before it have ``(1 - s) / (T - 1)`` each. Optimiser, weighting and
learning rate start afresh in every phase.
"""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import Sequential
from grouping.training.schedules.division import divide_epochs, ordered
from grouping.training.schedules.schedule import Phase, Schedule


class SequentialSchedule(Schedule):
    """Schedule of tasks added one by one; see the module."""

    def __init__(self, parameters: Sequential) -> None:
        self._parameters = parameters

    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """Return one phase per task, each with one task more, in the network's order within a phase."""
        order = ordered(tasks, self._parameters.order)
        earlier = len(order) - 1
        share = self._parameters.last_share
        weights = [*([(1.0 - share) / earlier] * earlier if earlier else []), share]
        epochs = divide_epochs(n_epochs, weights, Sequential.name)
        return tuple(
            Phase(count, tuple(task for task in tasks if task in order[: number + 1]))
            for number, count in enumerate(epochs)
        )
