"""The network: features for every task, and a head per task. How features are shared is a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from grouping.domain.tasks import Task
from grouping.training.blueprint import Blueprint

if TYPE_CHECKING:
    from grouping.domain.recipes import Recipe
    from grouping.training.data import TrainingData


class MultiTaskNetwork(nn.Module, ABC):
    """A network for the tasks of one group. Methods of sharing are its subclasses.

    A subclass takes a `Blueprint` and its declaration, calls ``super().__init__(blueprint)``, makes its
    layers with the blueprint, sets `heads`, and implements `features`.

    Attributes:
        task_names: names of the tasks, in the order of the heads.
        heads: one per task, from its features to ``[rows, n_outputs]``.
    """

    heads: nn.ModuleList

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.task_names = tuple(task.name for task in blueprint.tasks)

    @abstractmethod
    def features(self, inputs: Tensor) -> list[Tensor]:
        """What the head of each task sees, in the order of the tasks.

        All of the network but the heads: its multiply-adds are the inference cost. Layers that serve
        several tasks are to be run once.
        """

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Raw outputs of every head, in the order of the tasks."""
        return [head(own) for head, own in zip(self.heads, self.features(inputs), strict=True)]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Parameters that the losses of several tasks may meet in, by name; none where nothing is shared.

        By default all but those of the heads.
        """
        return {name: p for name, p in self.named_parameters() if not name.startswith("heads.")}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """The parameters from the inputs to the heads, for schedules that freeze the lower ones.

        By default those of ``stages``, a list of modules, one by one, and then all others.
        """
        stages = getattr(self, "stages", None)
        lower = [list(stage.parameters()) for stage in stages] if isinstance(stages, nn.ModuleList) else []
        known = {id(parameter) for depth in lower for parameter in depth}
        return [*lower, [p for p in self.parameters() if id(p) not in known]]

    def penalty(self) -> Tensor | None:
        """What is added to the weighted losses in every step, a scalar; None for nothing."""
        return None

    def prepare(self, data: TrainingData, recipe: Recipe, seed: int) -> None:
        """Fit the network's structure to the data, before it is trained. The same data gives the same.

        Called on the device of the training, also when a training is continued from a checkpoint.
        """

    def end_epoch(self) -> None:
        """Called after every epoch."""

    @classmethod
    def cost_key(cls, tasks: Sequence[Task], parameters: Any) -> Hashable:
        """Equal for groups whose networks of equal widths cost the same; the number of tasks unless told.

        Args:
            tasks: of the group.
            parameters: the declaration that networks are built with.
        """
        return len(tasks)
