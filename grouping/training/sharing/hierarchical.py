"""Hierarchical sharing: tasks at different depths of one encoder.

Sources: Søgaard and Goldberg, ACL 2016; Hashimoto et al., EMNLP 2017.

A task of depth d is read off the features of stage d, counted from 1, and neither its loss nor its
prediction needs the stages above. The network has only the stages that one of its tasks needs.

A task that the parameter ``depths`` does not name is read off the last stage, or off the one below if it
has a single output (a number, or yes or no): such tasks are taken to be the simpler ones. The depth of a
task is the same in every group, so that gains compare like with like.

What differs from the papers: the stages and heads are those of the encoder, not LSTMs over words; tasks are
trained together in a step unless the schedule says otherwise; the predictions and embedded labels of lower
tasks are not fed to the upper ones, and there are no short cuts from the inputs, both as in the first
paper.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from torch import Tensor, nn

from grouping.domain.tasks import Task
from grouping.recipes.sharing import Hierarchical
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork


class HierarchicalSharing(MultiTaskNetwork):
    """Network whose tasks are read off different stages; see the module.

    Attributes:
        stages: stages of the shared encoder, up to the depth of the deepest task.
        task_depths: depth of each task, in order, from 1.
    """

    def __init__(self, blueprint: Blueprint, parameters: Hierarchical) -> None:
        """Build the stages that are needed.

        Raises:
            InvalidInputError: if a task is to have more stages than there are, pointing at it.
        """
        super().__init__(blueprint)
        n_stages = len(blueprint.widths)
        self.task_depths = tuple(parameters.stages_below(task, n_stages) for task in blueprint.tasks)
        self.stages = blueprint.stages()[: max(self.task_depths)]
        self.heads = nn.ModuleList(
            blueprint.head(task, blueprint.widths[depth - 1])
            for task, depth in zip(blueprint.tasks, self.task_depths, strict=True)
        )

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the features of each task's stage."""
        at_depth = [inputs]
        for stage in self.stages:
            at_depth.append(stage(at_depth[-1]))
        return [at_depth[depth] for depth in self.task_depths]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the stages below the heads of two tasks or more."""
        if len(self.task_names) == 1:
            return super().shared_parameters()
        n_shared = sorted(self.task_depths)[-2]
        return {f"stages.{name}": p for name, p in self.stages[:n_shared].named_parameters()}

    @classmethod
    def cost_key(cls, tasks: Sequence[Task], parameters: Hierarchical) -> Hashable:
        """Return what decides the depth of the deepest task, for any number of stages."""
        named = [parameters.depths[task.name] for task in tasks if task.name in parameters.depths]
        others = {task.n_outputs == 1 for task in tasks if task.name not in parameters.depths}
        return max(named, default=0), frozenset(others)
