"""Gradient weighting: methods that combine the tasks' gradients on the parameters they share.

Parameters that a single task uses, its head above all, follow the gradient of their own loss with weight 1,
as in the algorithms of Sener and Koltun (2018) and Yu et al. (2020). The penalty of the network is added as
it is. Gradients are scaled so that where all tasks pull the same way, the step is that of equal weights.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.training.weighting.weighting import Step, Weighting, descend, plain_sum


class GradientWeighting(Weighting):
    """Replaces the sum of the tasks' gradients on the shared parameters by one gradient.

    Cost: a backward pass per task through the shared parameters, and one through everything.
    """

    needs_shared = True

    def weights(self, step: Step) -> Tensor:
        """Return 1 for each loss, as weights for parameters of a single task."""
        return torch.ones_like(step.losses)

    @abstractmethod
    def combine(self, gradients: Tensor, losses: Tensor) -> Tensor:
        """Combine ``[T, P]`` finite gradients and ``[T]`` losses to the gradient ``[P]`` to follow.

        None of them has a graph.
        """

    def balance(self, step: Step) -> None:
        """Compute plain gradients, then replace those of the shared parameters.

        Where a gradient is not finite, the plain ones stay, so that the training shows as diverged.
        """
        shared = list(step.shared.values())
        gradients = step.shared_gradients()
        of_penalty = _penalty_gradients(step.penalty, shared)
        descend(plain_sum(step.losses), step.penalty)
        if not gradients.isfinite().all():
            return
        combined = self.combine(gradients, step.losses.detach())
        sizes = [parameter.numel() for parameter in shared]
        for parameter, part, rest in zip(shared, torch.split(combined, sizes), of_penalty, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(part.view_as(parameter))
                if rest is not None:
                    parameter.grad.add_(rest)


class GramianWeighting(GradientWeighting):
    """Weights the gradients by their inner products."""

    @abstractmethod
    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute the weight of each gradient, ``[T]``; with mean 1 where all gradients are the same.

        Args:
            gramian: inner products of the gradients, ``[T, T]`` in float64 on the CPU, divided by their mean
                square norm: the weights do not depend on the unit of all losses together.
            losses: ``[T]``, in float64 on the CPU.
        """

    def combine(self, gradients: Tensor, losses: Tensor) -> Tensor:
        """Compute the weighted sum of the gradients."""
        wide = gradients.double()
        gramian = (wide @ wide.T).cpu()
        scale = gramian.diagonal().mean()
        if scale == 0:
            return gradients.sum(dim=0)
        weights = self.coefficients(gramian / scale, losses.double().cpu())
        return weights.to(gradients) @ gradients


def square_root(gramian: Tensor) -> NDArray[np.float64]:
    """Return ``A``, ``[T, T]``, with ``A.T @ A`` the Gramian: its columns represent the gradients."""
    values, vectors = np.linalg.eigh(gramian.numpy())
    root: NDArray[np.float64] = np.sqrt(values.clip(min=0.0))[:, None] * vectors.T
    return root


def _penalty_gradients(penalty: Tensor | None, shared: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if penalty is None or not penalty.requires_grad:
        return [None] * len(shared)
    return torch.autograd.grad(penalty, list(shared), retain_graph=True, allow_unused=True)
