"""Uncertainty weighting (Kendall, Gal and Cipolla, CVPR 2018): each task learns the variance of its noise.

With ``s_i = log sigma_i^2`` learned along, the paper minimises ``sum_i exp(-s_i) L_i / 2 + s_i / 2``. For
given losses the optimum is ``sigma_i^2 = L_i``: in the end the weights are those of `InverseCurrentLoss`,
smoothed over the steps that the variances need to follow.

The objective is `torchjd.scalarization.UW`, which keeps the ``s_i`` and starts them at 0. Two things differ
from the paper. It has the factor 1/2 before the losses of numbers only, by its approximation of a scaled
softmax; here it is before all. And the network follows the losses with the weights ``exp(-s_i)`` divided by
their mean, in the direction of the paper, but with the length of other methods: as the losses fall, the
paper's weights all grow, which is a learning rate in disguise. The variances follow the paper's objective.

Cost: a few operations on ``[T]`` numbers, and `T` more parameters.
"""

from __future__ import annotations

from torch import Tensor
from torchjd.scalarization import UW

from grouping.recipes.weighting import Uncertainty
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext, with_mean_one


class UncertaintyWeighting(Weighting):
    """Weighting by learned variances; see the module.

    Attributes:
        uncertainty: holds the logarithms of the variances, ``[T]``.
    """

    def __init__(self, context: WeightingContext, parameters: Uncertainty) -> None:
        super().__init__(context)
        self.uncertainty = UW(self.n_tasks)

    def weights(self, step: Step) -> Tensor:
        """Return weights inversely proportional to the variances."""
        return with_mean_one((-self.uncertainty.log_var.detach()).exp())

    def objective(self, step: Step) -> Tensor:
        """Return the weighted sum plus the objective of the variances, where losses are constants."""
        learned: Tensor = self.uncertainty(step.losses.detach())
        return super().objective(step) + learned
