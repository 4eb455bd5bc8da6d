"""Sluice networks (Ruder et al., AAAI 2019): encoders mixed by subspaces, and heads that see all stages.

The channels of every stage are divided into S subspaces. With the subspaces ``x_j`` of all T tasks and a
learned matrix ``alpha``, ``[T S, T S]``, of the stage, the next stage sees ``sum_j alpha[i, j] x_j`` as its
subspace i. The head of task t sees ``sum_l beta[t, l] h_l`` over the stages l, with learned ``beta``. The
penalty

    orthogonality * sum_(t, l) sum_(a < b) ||G_a G_b^T||_F^2

keeps the subspaces of a stage apart; ``G_a`` are the rows of its weights that make the channels of subspace
a. With the identity for alpha, the last stage alone in beta and no penalty, the networks are independent.

What differs from the paper: any encoder takes the place of LSTMs. A subspace is a part of the channels of a
whole stage, not a smaller layer of its own; where the channels do not divide evenly, the last subspace is
shorter, and what others would add beyond its end is dropped. The skip connections average lower stages to
the positions of the last one, and where their widths differ, a pointwise linear map takes them to its
channels. All encoders start from the same weights. A network of one task has nothing to mix and is the
encoder itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from grouping.recipes.sharing import Sluice
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.cross_stitch import mix, shares
from grouping.training.sharing.parallel import parallel_stages, run_stage
from grouping.training.sharing.shapes import at_positions_of, channel_dim


class SluiceSharing(MultiTaskNetwork):
    """Network of encoders mixed by subspaces, with heads that see all stages; see the module.

    Attributes:
        stages: for each stage, the copies of the tasks.
        alphas: for each stage, the matrix ``[T S, T S]`` between subspaces, tasks first.
        betas: for each task, the weights ``[n_stages]`` of its stages.
        projections: for each task and each stage below the last one, the map of its channels to those of the
            last one.
    """

    def __init__(self, blueprint: Blueprint, parameters: Sluice) -> None:
        super().__init__(blueprint)
        self._n_subspaces = parameters.n_subspaces
        self._strength = parameters.orthogonality
        self._widths = blueprint.widths
        self.stages = parallel_stages(blueprint)
        self.heads = blueprint.heads()
        n_tasks = len(blueprint.tasks)
        is_mixed = n_tasks > 1
        alpha = shares(n_tasks * parameters.n_subspaces, parameters.own_share)
        beta = shares(len(self.stages), parameters.last_share)[-1]
        self.alphas = nn.ParameterList(blueprint.parameter(alpha.clone()) for _ in self.stages if is_mixed)
        self.betas = nn.ParameterList(blueprint.parameter(beta.clone()) for _ in blueprint.tasks if is_mixed)
        self.projections = nn.ModuleList(
            _projections(blueprint, task.name) for task in blueprint.tasks if is_mixed
        )

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return each task's mixture of the mixed features of its stages."""
        own = [inputs] * len(self.task_names)
        by_stage = []
        for number, copies in enumerate(self.stages):
            own = run_stage(copies, own)
            if self.alphas:
                own = mix_subspaces(own, self.alphas[number], self._n_subspaces)
            by_stage.append(own)
        if not self.betas:
            return own
        return [self._skip(task, [stage[task] for stage in by_stage]) for task in range(len(own))]

    def _skip(self, task: int, stages: Sequence[Tensor]) -> Tensor:
        """Return a task's mixture of the features of its stages, in the shape of the last one."""
        *lower, last = stages
        projections = cast(nn.ModuleList, self.projections[task])
        fitted = [
            projection(at_positions_of(features, last))
            for projection, features in zip(projections, lower, strict=True)
        ]
        return mix([*fitted, last], self.betas[task][None])[0]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the stages and of the mixing between them."""
        own = ("heads.", "betas.", "projections.")
        return {name: p for name, p in self.named_parameters() if not name.startswith(own)}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters of each stage with the mixing above it, then skips and heads."""
        alphas = [[alpha] for alpha in self.alphas] or [[] for _ in self.stages]
        lower = [[*copies.parameters(), *alpha] for copies, alpha in zip(self.stages, alphas, strict=True)]
        upper = [*self.betas, *self.projections.parameters(), *self.heads.parameters()]
        return [*lower, upper]

    def overlap(self) -> Tensor:
        """Compute how far the subspaces are from orthogonal: the penalty without its factor."""
        total = torch.zeros((), device=next(self.parameters()).device)
        for width, copies in zip(self._widths, self.stages, strict=True):
            for stage in cast(nn.ModuleList, copies):
                for weights in _writing(stage, width):
                    parts = torch.split(weights.flatten(1), _part(width, self._n_subspaces))
                    for one, other in combinations(parts, 2):
                        total = total + (one @ other.T).square().sum()
        return total

    def penalty(self) -> Tensor | None:
        """Return the factor times the overlap of the subspaces; None for one task, or without a factor."""
        if self._strength == 0 or len(self.task_names) == 1:
            return None
        return self._strength * self.overlap()


def mix_subspaces(features: Sequence[Tensor], alpha: Tensor, n_subspaces: int) -> list[Tensor]:
    """Combine the subspaces of features of one shape linearly, by the rows of ``[T S, T S]``."""
    channels = channel_dim(features[0])
    width = features[0].shape[channels]
    part = _part(width, n_subspaces)
    subspaces: list[Tensor] = []
    for own in features:
        padded = functional.pad(own.movedim(channels, -1), (0, n_subspaces * part - width))
        subspaces += torch.split(padded, part, dim=-1)
    mixed = mix(subspaces, alpha)
    return [
        torch.cat(mixed[start : start + n_subspaces], dim=-1)[..., :width].movedim(-1, channels)
        for start in range(0, len(mixed), n_subspaces)
    ]


def _part(width: int, n_subspaces: int) -> int:
    """Return the channels of a subspace."""
    return -(-width // n_subspaces)


def _writing(stage: nn.Module, width: int) -> Iterator[Tensor]:
    """Yield weights of a stage's layers that have a row per channel of the stage."""
    for layer in stage.modules():
        if isinstance(layer, nn.Embedding):  # its rows are tokens or positions
            continue
        for weights in layer.parameters(recurse=False):
            if weights.ndim > 1 and len(weights) == width:
                yield weights


def _projections(blueprint: Blueprint, task: str) -> nn.ModuleList:
    *lower, last = blueprint.widths
    return nn.ModuleList(
        nn.Identity() if width == last else blueprint.pointwise(width, last, "skip", task, number)
        for number, width in enumerate(lower)
    )
