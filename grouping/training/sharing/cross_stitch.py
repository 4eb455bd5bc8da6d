"""Cross-stitch networks (Misra et al., CVPR 2016): an encoder per task, mixed after every stage.

After each stage, with the features ``x_s`` of every task s and a learned matrix A, ``[T, T]``, task t goes
on with

    sum_s A[t, s] x_s

The identity makes independent networks, a matrix of equal rows gives all tasks the same features. At the
start a task's own features count as `own_share`, those of the others the rest in equal parts.

What differs from the paper: it stitches the networks of two tasks, here there are any number; its units
stand after pooling and fully connected layers only, and learn faster than the layers; its networks were
first trained on one task each, while here all of them start from the same weights. A network of one task
has no units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from grouping.recipes.sharing import CrossStitch
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.parallel import parallel_stages, run_stage


class CrossStitchSharing(MultiTaskNetwork):
    """Network of an encoder per task, mixed after every stage; see the module.

    Attributes:
        stages: for each stage, the copies of the tasks.
        units: for each stage, the matrix ``[T, T]`` from the features of a task (columns) to what a task goes
            on with (rows); none in a network of one task.
    """

    def __init__(self, blueprint: Blueprint, parameters: CrossStitch) -> None:
        super().__init__(blueprint)
        n_tasks = len(blueprint.tasks)
        self.stages = parallel_stages(blueprint)
        n_units = len(self.stages) if n_tasks > 1 else 0
        start = shares(n_tasks, parameters.own_share)
        self.units = nn.ParameterList(blueprint.parameter(start.clone()) for _ in range(n_units))
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the mixed features of the last stage."""
        own = [inputs] * len(self.task_names)
        for number, copies in enumerate(self.stages):
            own = run_stage(copies, own)
            if self.units:
                own = mix(own, self.units[number])
        return own

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters of each stage with the unit above it, then the heads."""
        units = [[unit] for unit in self.units] or [[] for _ in self.stages]
        lower = [[*copies.parameters(), *unit] for copies, unit in zip(self.stages, units, strict=True)]
        return [*lower, list(self.heads.parameters())]


def shares(n: int, own: float) -> Tensor:
    """Return a matrix ``[n, n]`` whose rows sum to 1, with `own` on the diagonal (1 if n is 1)."""
    if n == 1:
        return torch.ones(1, 1)
    matrix = torch.full((n, n), (1.0 - own) / (n - 1))
    return matrix.fill_diagonal_(own)


def mix(features: Sequence[Tensor], matrix: Tensor) -> list[Tensor]:
    """Combine features of one shape linearly, by the rows of a matrix ``[n_out, n_in]``."""
    # As a product of matrices: mixing then counts towards the inference cost.
    return list(torch.einsum("ij,j...->i...", matrix, torch.stack(list(features))).unbind())
