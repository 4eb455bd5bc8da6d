"""Multilinear sharing (Long et al., NeurIPS 2017): a tensor normal prior on the tasks' own layers.

All stages but the last are shared; each task has a last stage of its own, all of one shape. Stacked over the
tasks, a weight matrix of that stage is a tensor ``W`` (tasks, outputs, inputs) with the prior
``TN(0, S_task, S_out, S_in)``. The penalty is its negative logarithm, up to what does not depend on ``W``:

    strength * vec(W)' (S_task x S_out x S_in)^-1 vec(W)

With identities it is an ordinary L2 penalty; a large covariance of two tasks makes it cheap for their weights
to be alike. After every epoch each covariance is estimated from the weights given the others (flip-flop),
such as ``S_task <- W_(task) (S_out x S_in)^-1 W_(task)' / (outputs * inputs)``, where ``W_(task)`` has a row
per task.

What differs from the paper: covariances are scaled to a mean variance of 1, as Zhang and Yeung (UAI 2010) do
for tasks, because weights and variances would shrink together otherwise; a share of the identity is mixed
in (`shrinkage`) in place of a small ridge. Heads have different shapes and stay out, and so do offsets,
scales of normalisation and embeddings. All tasks start from one last stage, in the place of the paper's
pre-trained one, so that all covariances of tasks are positive at first: compare them with each other and not
with zero. Weights of convolutions are matrices with a row per output channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from grouping.recipes.sharing_from_data import Multilinear
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import matrices, run


class TensorNormalPrior(nn.Module):
    """Tensor normal prior of a weight tensor ``[T, outputs, inputs]``, with identities at first.

    Attributes:
        task_covariance: ``[T, T]``; this and the others are symmetric positive definite with mean variance 1.
        out_covariance: ``[outputs, outputs]``.
        in_covariance: ``[inputs, inputs]``.
    """

    task_covariance: Tensor
    out_covariance: Tensor
    in_covariance: Tensor

    _MODES = ("task", "out", "in")

    def __init__(self, shape: Sequence[int], shrinkage: float, device: torch.device) -> None:
        super().__init__()
        self._shrinkage = shrinkage
        for mode, size in zip(self._MODES, shape, strict=True):
            self.register_buffer(f"{mode}_covariance", torch.eye(size, device=device))
            # Kept beside it, since the penalty of every step needs it.
            self.register_buffer(f"{mode}_precision", torch.eye(size, device=device))

    def forward(self, weights: Tensor) -> Tensor:
        """Compute ``vec(W)' (S_task x S_out x S_in)^-1 vec(W)``, a scalar, for ``[T, outputs, inputs]``."""
        precisions = [self.get_buffer(f"{mode}_precision") for mode in self._MODES]
        return (weights * _multiply(weights, precisions)).sum()

    @torch.no_grad()
    def fit(self, weights: Tensor) -> None:
        """Estimate each covariance once, given the others; weights that are not finite change nothing."""
        if not bool(weights.isfinite().all()):
            return
        exact = weights.double()
        for axis, mode in enumerate(self._MODES):
            others = [
                torch.eye(size, dtype=exact.dtype, device=exact.device)
                if other == mode
                else self.get_buffer(f"{other}_precision").double()
                for other, size in zip(self._MODES, exact.shape, strict=True)
            ]
            rows = exact.movedim(axis, 0).flatten(1)
            covariance = rows @ _multiply(exact, others).movedim(axis, 0).flatten(1).T
            self._set(mode, (covariance + covariance.T) / 2)

    def _set(self, mode: str, covariance: Tensor) -> None:
        identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
        variance = covariance.diagonal().mean()
        scaled = covariance / variance if variance > 0 else identity
        mixed = (1.0 - self._shrinkage) * scaled + self._shrinkage * identity
        self.get_buffer(f"{mode}_covariance").copy_(mixed)
        self.get_buffer(f"{mode}_precision").copy_(torch.cholesky_inverse(torch.linalg.cholesky(mixed)))


def _multiply(weights: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Multiply the tensor along each of its axes by a symmetric matrix."""
    task, out, inputs = matrices
    return torch.einsum("st,toi->soi", task, out @ weights @ inputs)


class MultilinearSharing(MultiTaskNetwork):
    """Network of shared stages and a last stage per task under a prior; see the module.

    Attributes:
        stages: shared stages, all but the last one.
        last: the last stage of each task.
        priors: prior of each weight matrix of the last stage, in the order of its parameters.
    """

    def __init__(self, blueprint: Blueprint, parameters: Multilinear) -> None:
        super().__init__(blueprint)
        self.strength = parameters.strength
        self.stages = blueprint.stages()[:-1]
        # Built again for each task from the same draws, so that all of them start alike.
        self.last = nn.ModuleList(blueprint.stages()[-1] for _ in self.task_names)
        self.heads = blueprint.heads()
        self.priors = nn.ModuleList(
            TensorNormalPrior(weights.shape, parameters.shrinkage, weights.device)
            for weights in self._weights()
        )

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Apply the last stage of each task to the shared features."""
        shared = run(self.stages, inputs)
        return [stage(shared) for stage in self.last]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the shared stages; of all stages for a task alone."""
        if len(self.task_names) == 1:
            return super().shared_parameters()
        return {name: p for name, p in self.named_parameters() if name.startswith("stages.")}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters of shared stages, last stages of all tasks, and heads."""
        lower = [list(stage.parameters()) for stage in self.stages]
        return [*lower, list(self.last.parameters()), list(self.heads.parameters())]

    def penalty(self) -> Tensor | None:
        """Sum the penalties of the weight matrices of the last stage."""
        if not self.strength or not self.priors:
            return None
        penalties = [prior(weights) for prior, weights in zip(self.priors, self._weights(), strict=True)]
        return self.strength * torch.stack(penalties).sum()

    def end_epoch(self) -> None:
        """Estimate the covariances from the weights."""
        for prior, weights in zip(self.priors, self._weights(), strict=True):
            if isinstance(prior, TensorNormalPrior):
                prior.fit(weights.detach())

    def _weights(self) -> list[Tensor]:
        """Return ``[T, outputs, inputs]`` for each weight matrix of the last stage."""
        each = zip(*(matrices(stage).values() for stage in self.last), strict=True)
        return [torch.stack([weight.flatten(1) for weight in weights]) for weights in each]
