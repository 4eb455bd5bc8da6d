"""Multiple-gradient descent, MGDA (Désidéri, 2012; Sener and Koltun, NeurIPS 2018).

The shared parameters follow the point of least norm in the convex hull of the
gradients, ``min |sum_i a_i g_i|`` over ``a >= 0, sum a = 1``. A small step against it lowers every loss; it
is zero only where no direction does (a Pareto-stationary point). Parameters of one task follow their own
loss, as in Algorithm 1 of the second paper. Short gradients take most of the weight: ``normalisation``
divides each first by a number ``n_i``, its norm, its loss, or both, and its weight is ``a_i / n_i``, so that
the descent holds for any of them. (The papers' code finds ``a`` on the normalised gradients, and applies it
to the others.) With ``norm`` the direction does not depend on the units of any loss.

Weights are scaled to mean 1; one of them may be zero. A task whose gradient is zero stops the others.

How it is solved: with ``A`` a square root of the Gramian, ``min |A x|^2 + (sum x - 1)^2`` over ``x >= 0``
is reached at a multiple of the wanted point, and SciPy's non-negative least squares solves it exactly.
`torchjd.aggregation.MGDA` takes up to 100 steps of Frank and Wolfe's method. Measured on random gradients,
these end with a squared norm up to 6 % too large for five tasks and 11 % for nine, and take 1.8 ms, the time
of two training steps of a small network, against 0.16 ms.

Cost: a backward pass per task through the shared parameters.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from grouping.recipes.gradient_weighting import Mgda
from grouping.training.weighting.gradients import GramianWeighting, square_root
from grouping.training.weighting.weighting import WeightingContext, with_mean_one

TINY = 1e-30
"""In place of a norm or a loss of zero, which cannot be divided by."""


class MgdaWeighting(GramianWeighting):
    """Weighting by the point of least norm in the hull of the gradients; see the module."""

    def __init__(self, context: WeightingContext, parameters: Mgda) -> None:
        super().__init__(context)
        self._normalisation = parameters.normalisation

    def coefficients(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Compute the weights of the point of least norm, on normalised gradients."""
        divisors = torch.ones_like(losses)
        if "norm" in self._normalisation:
            divisors = divisors * gramian.diagonal().sqrt()
        if "loss" in self._normalisation:
            divisors = divisors * losses
        divisors = divisors.clamp(min=TINY)
        normalised = gramian / divisors / divisors[:, None]
        return with_mean_one(least_norm(normalised / normalised.diagonal().mean()) / divisors)


def least_norm(gramian: Tensor) -> Tensor:
    """Find the convex combination of least norm, ``[T]``, of vectors with this Gramian, ``[T, T]``.

    Args:
        gramian: Gramian in float64, with a mean of about 1 on its diagonal.
    """
    size = len(gramian)
    rows = np.vstack((square_root(gramian), np.ones(size)))
    found, _ = nnls(rows, np.append(np.zeros(size), 1.0), maxiter=100 * size)
    return torch.from_numpy(found / found.sum())
