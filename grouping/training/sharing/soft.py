"""Soft parameter sharing (Duong et al., ACL 2015): an encoder per task, and a penalty on their distances.

With the weights ``w_t`` of the encoder of task t, the sum over all pairs of tasks

    strength * sum_(s < t) ||w_s - w_t||^2

is added to the losses. At strength 0 the tasks are trained as if alone; the larger it is, the nearer the
encoders stay to one another, as if there were only one, which is hard sharing.

What differs from the paper: there the weights of one language's parser are drawn to those of another that was
trained before; here all encoders are trained together and drawn to one another, over any number of tasks. All
of them start from the same weights. Statistics that a layer keeps, such as those of a normalisation, are not
penalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from grouping.recipes.sharing import Soft
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.parallel import parallel_stages, run_stage


class SoftSharing(MultiTaskNetwork):
    """Network of an encoder per task with a penalty on their distances; see the module.

    Attributes:
        stages: for each stage, the copies of the tasks.
    """

    def __init__(self, blueprint: Blueprint, parameters: Soft) -> None:
        super().__init__(blueprint)
        self.stages = parallel_stages(blueprint)
        self.heads = blueprint.heads()
        self._strength = parameters.strength

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the features of each task's own encoder."""
        own = [inputs] * len(self.task_names)
        for copies in self.stages:
            own = run_stage(copies, own)
        return own

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return no parameters for several tasks: only the penalty ties their encoders."""
        return {} if len(self.task_names) > 1 else super().shared_parameters()

    def squared_distance(self) -> Tensor:
        """Sum the squared distances between the weights of the encoders, over all pairs of tasks."""
        total = torch.zeros((), device=next(self.parameters()).device)
        for copies in self.stages:
            each = [list(stage.parameters()) for stage in cast(nn.ModuleList, copies)]
            for same in zip(*each, strict=True):
                weights = torch.stack(same)
                # Over all pairs, the squared distances are T times those from the mean.
                total = total + len(same) * (weights - weights.mean(dim=0)).square().sum()
        return total

    def penalty(self) -> Tensor | None:
        """Return the strength times the squared distance; None for one task, or at strength 0."""
        if self._strength == 0 or len(self.task_names) == 1:
            return None
        return self._strength * self.squared_distance()
