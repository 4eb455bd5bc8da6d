"""Base class of networks: features for every task, and a head per task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Precision, Recipe
from grouping.training.blueprint import Blueprint
from grouping.training.precision import GradientScale, reduced

if TYPE_CHECKING:
    from grouping.training.data import TrainingData


class MultiTaskNetwork(nn.Module, ABC):
    """A network for the tasks of one group. Methods of sharing are its subclasses.

    A subclass takes a `Blueprint` and its declaration, calls ``super().__init__(blueprint)``, builds its
    layers with the blueprint, sets `heads`, and implements `features`.

    Attributes:
        task_names: names of the tasks, in the order of the heads.
        heads: one per task, from its features to ``[rows, n_outputs]``.
        precision: precision in which features are computed in training mode.
        gradient_scale: factor on the gradients of the features, under float16; None for none.
    """

    heads: nn.ModuleList
    precision: Precision = Precision.FLOAT32
    gradient_scale: GradientScale | None = None

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.task_names = tuple(task.name for task in blueprint.tasks)

    @abstractmethod
    def features(self, inputs: Tensor) -> list[Tensor]:
        """Compute the features that the head of each task reads, in the order of the tasks.

        This is all of the network but the heads: its multiply-adds are the inference cost. Layers that serve
        several tasks are to be run once.
        """

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Compute the raw outputs of every head, in the order of the tasks."""
        features = self._features_in_precision(inputs)
        return [head(own) for head, own in zip(self.heads, features, strict=True)]

    def _features_in_precision(self, inputs: Tensor) -> list[Tensor]:
        if not self.training or self.precision is Precision.FLOAT32:
            return self.features(inputs)
        with reduced(inputs.device, self.precision):
            features = self.features(inputs)
        scale = self.gradient_scale
        every = [own.to(inputs.dtype) for own in features]
        return every if scale is None else [scale.scaled(own) for own in every]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return parameters that losses of several tasks may train, by name; none if none are shared.

        By default they are all but those of the heads.
        """
        return {name: p for name, p in self.named_parameters() if not name.startswith("heads.")}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters from the inputs to the heads, for schedules that freeze the lower ones.

        By default they are those of ``stages``, a list of modules, one by one, and then all others.
        """
        stages = getattr(self, "stages", None)
        lower = [list(stage.parameters()) for stage in stages] if isinstance(stages, nn.ModuleList) else []
        known = {id(parameter) for depth in lower for parameter in depth}
        return [*lower, [p for p in self.parameters() if id(p) not in known]]

    def penalty(self) -> Tensor | None:
        """Return what is added to the weighted losses in every step, a scalar; None for nothing."""
        return None

    def preparation(self, data: TrainingData, recipe: Recipe, seed: int, done: int = 0) -> Iterator[int]:
        """Fit the network's structure to the data before it is trained, an epoch at a time.

        The same data gives the same structure. It must be in parameters and buffers, since a training that
        goes on from a checkpoint is not prepared again. The declaration says how many epochs it takes at
        most: see `grouping.recipes.epochs`.

        Args:
            data: data on the device of the training.
            recipe: recipe of the training that follows.
            seed: seed of the training that follows.
            done: epochs that were carried out before an interruption; parameters and buffers are those of
                that moment. How much of them is repeated is the method's choice.

        Yields:
            After every epoch, how many have been carried out; those that are not repeated count.
        """
        return iter(())

    def prepare(self, data: TrainingData, recipe: Recipe, seed: int) -> None:
        """Carry out the preparation in one go."""
        for _ in self.preparation(data, recipe, seed):
            pass

    def affinities(self) -> Mapping[str, Tensor]:
        """Return affinities that follow from the network itself, without gradients; by default none.

        They are by method, as in `JointAffinities`: ``[T, T]``, float64, on the CPU.
        """
        return {}

    def end_epoch(self) -> None:
        """Update the network at the end of an epoch; called after every epoch."""

    @classmethod
    def cost_key(cls, tasks: Sequence[Task], parameters: Any) -> Hashable:
        """Return a key equal for groups whose networks of equal widths cost the same; by default their size.

        Args:
            tasks: tasks of the group.
            parameters: the declaration that networks are built with.
        """
        return len(tasks)
