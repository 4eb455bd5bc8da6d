"""Weights in inverse proportion to the size of each loss, measured in one of four ways.

- The initial loss (`InverseInitialLoss`), on the first batch of the phase, before any step: whatever the
  losses' units, all count alike at the start. The weights stay as they are from then on.
- The label prior (`InverseLabelPrior`): what the best constant prediction scores, the entropy of class
  labels in nats or the variance of numbers. The losses of this project are divided by exactly that already,
  so nothing is gained by dividing twice. The method therefore speaks of the raw losses ``l_i``, in nats or
  in the target's own units: it follows ``sum_i l_i / prior_i ** exponent``, which on the normalised losses
  ``L_i = l_i / prior_i`` are weights ``prior_i ** (1 - exponent)``. With exponent 1 that is equal
  weighting, with 0 it is the plain sum of the raw losses, with 0.5 numbers are divided by their standard
  deviation.
- The current loss (`InverseCurrentLoss`), in every step. Up to a common factor, ``sum_i grad L_i / L_i`` is
  the gradient of the geometric mean of the losses (Chennupati et al., MultiNet++, CVPR workshops 2019): it
  does not depend on the units of any loss.
- The norm of the gradient on the shared parameters (`InverseGradientNorm`), in every step: each task pulls
  equally hard. It depends on neither the units of a loss nor a constant that is added to it.

Weights have mean 1. What is divided by counts as at least a thousandth of its mean over the tasks: a loss
that has come to nothing would otherwise take all weight, and leave none to the tasks that still learn.

Cost: the first three add a few operations on ``[T]`` numbers; the last one a backward pass per task through
the shared parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes import weighting as declared
from grouping.training.weighting.weighting import (
    Step,
    Weighting,
    WeightingContext,
    with_mean_one,
)

SMALLEST_SHARE = 1e-3
"""Of the mean over the tasks: what is smaller counts as this much."""


def inverse(sizes: Tensor) -> Tensor:
    """Compute weights of mean 1 inversely proportional to ``[T]`` sizes of at least 0; equal if all are 0."""
    mean = sizes.mean()
    floored = sizes.clamp(min=SMALLEST_SHARE * mean)
    return with_mean_one(1.0 / torch.where(mean == 0, 1.0, floored))


class InverseInitialLoss(Weighting):
    """Weighting by the inverse initial losses; see the module.

    Attributes:
        initial: loss of each task on the first batch, ``[T]``; NaN before it.
    """

    initial: Tensor

    def __init__(self, context: WeightingContext, parameters: declared.InverseInitialLoss) -> None:
        super().__init__(context)
        self.register_buffer("initial", torch.full((self.n_tasks,), torch.nan))

    def weights(self, step: Step) -> Tensor:
        """Return the same weights in every step."""
        remember_first(self.initial, step.losses)
        return inverse(self.initial)


class InverseLabelPrior(Weighting):
    """Weighting by the inverse losses of the best constants; see the module.

    Attributes:
        constant: the weights, ``[T]``; they follow from the data, so they are not saved.
    """

    constant: Tensor

    def __init__(self, context: WeightingContext, parameters: declared.InverseLabelPrior) -> None:
        super().__init__(context)
        priors = torch.tensor([n.constant_loss for n in context.normalisations], dtype=torch.float64)
        # In logarithms: variances in units of their own differ by any number of powers of ten.
        weights = self.n_tasks * torch.softmax((1.0 - parameters.exponent) * priors.log(), dim=0)
        self.register_buffer("constant", weights.float(), persistent=False)

    def weights(self, step: Step) -> Tensor:
        """Return the same weights in every step."""
        return self.constant


class InverseCurrentLoss(Weighting):
    """Weighting by the inverse current losses; see the module."""

    def __init__(self, context: WeightingContext, parameters: declared.InverseCurrentLoss) -> None:
        super().__init__(context)

    def weights(self, step: Step) -> Tensor:
        """Compute the weights from the losses of this step."""
        return inverse(step.losses.detach())


class InverseGradientNorm(Weighting):
    """Weighting by the inverse norms of the gradients; see the module."""

    needs_shared = True

    def __init__(self, context: WeightingContext, parameters: declared.InverseGradientNorm) -> None:
        super().__init__(context)

    def weights(self, step: Step) -> Tensor:
        """Compute the weights from the gradients of this step."""
        return inverse(step.shared_gradients().norm(dim=1))


def remember_first(kept: Tensor, losses: Tensor) -> None:
    """Overwrite NaN in `kept` with the losses; earlier losses stay."""
    kept.copy_(torch.where(kept.isnan(), losses.detach(), kept))
