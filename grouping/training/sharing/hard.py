"""Hard parameter sharing (Caruana, 1997): one encoder for all tasks, and a head for each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from torch import Tensor

from grouping.domain.tasks import Task
from grouping.recipes.sharing import Hard
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork


class HardSharing(MultiTaskNetwork):
    """Network of one encoder shared by all tasks; see the module.

    Attributes:
        stages: the shared encoder.
    """

    def __init__(self, blueprint: Blueprint, parameters: Hard) -> None:
        super().__init__(blueprint)
        self.stages = blueprint.stages()
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the same features for every task."""
        shared = inputs
        for stage in self.stages:
            shared = stage(shared)
        return [shared] * len(self.task_names)

    @classmethod
    def cost_key(cls, tasks: Sequence[Task], parameters: Hard) -> Hashable:
        """Return a constant: the encoder costs the same for any tasks."""
        return ()
