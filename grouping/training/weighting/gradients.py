"""Methods that combine the gradients of the tasks on the parameters they share, instead of their losses.

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
    """Puts one gradient in the place of the sum of the tasks' gradients on the shared parameters.

    Cost: a backward pass per task through the shared parameters, and one through everything.
    """

    needs_shared = True

    def weights(self, step: Step) -> Tensor:
        """All 1: of the losses, in what only one task uses."""
        return torch.ones_like(step.losses)

    @abstractmethod
    def combine(self, gradients: Tensor, losses: Tensor) -> Tensor:
        """What the shared parameters follow, ``[P]``, from ``[T, P]`` finite gradients and ``[T]`` losses.

        None of it has a graph.
        """

    def balance(self, step: Step) -> None:
        """Plain gradients first; then those of the shared parameters are replaced.

        Where a gradient is not finite, the plain ones stay: the training has diverged, and is to show it.
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
    """Weights the gradients, by what their inner products say."""

    @abstractmethod
    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """How much each gradient counts, ``[T]``; with mean 1 where all gradients are the same.

        Args:
            gramian: inner products of the gradients, ``[T, T]`` in float64 on the CPU, divided by their mean
                square norm: the weights do not depend on the unit of all losses together.
            losses: ``[T]``, likewise.
        """

    def combine(self, gradients: Tensor, losses: Tensor) -> Tensor:
        """The weighted sum of the gradients."""
        wide = gradients.double()
        gramian = (wide @ wide.T).cpu()
        scale = gramian.diagonal().mean()
        if scale == 0:
            return gradients.sum(dim=0)
        weights = self.coefficients(gramian / scale, losses.double().cpu())
        return weights.to(gradients) @ gradients


def square_root(gramian: Tensor) -> NDArray[np.float64]:
    """A matrix ``A``, ``[T, T]``, with ``A.T @ A`` the Gramian: its columns stand for the gradients."""
    values, vectors = np.linalg.eigh(gramian.numpy())
    root: NDArray[np.float64] = np.sqrt(values.clip(min=0.0))[:, None] * vectors.T
    return root


def _penalty_gradients(penalty: Tensor | None, shared: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if penalty is None or not penalty.requires_grad:
        return [None] * len(shared)
    return torch.autograd.grad(penalty, list(shared), retain_graph=True, allow_unused=True)
