"""Dynamic task prioritisation (Guo, Haque, Huang, Yeung and Fei-Fei, ECCV 2018): difficult tasks first.

The difficulty of a task follows from a key performance indicator ``k_i`` in [0, 1], higher for what is
learned better, and its weight is a focal one, ``w_i = -(1 - k_i)^gamma log k_i``.

The indicator is a metric on the batches the task is trained on, as in the paper: the accuracy for classes,
and for numbers the share of variance explained, 0 where that is negative. It is the same whatever metric the
task itself is reported by: that may have other bounds, or be undefined on a batch. It is smoothed over the
steps, ``k = smoothing k_before + (1 - smoothing) k_batch``, and kept within [0.001, 0.999], so that no
weight is nothing or without bounds. It does not depend on the units of a loss.

What differs from the paper: the weights are divided by their mean, where the paper's all fall as the tasks
are learned; and the focus on difficult examples within a task is left out: it would be another loss.

Cost: a metric per task and step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.recipes.weighting import DynamicTaskPrioritisation
from grouping.training.weighting.weighting import Step, Weighting, WeightingContext, with_mean_one

MARGIN = 1e-3


class DynamicTaskPrioritisationWeighting(Weighting):
    """Weighting that prefers difficult tasks; see the module.

    Attributes:
        indicators: smoothed indicators, ``[T]``; NaN before the first step.
    """

    indicators: Tensor

    def __init__(self, context: WeightingContext, parameters: DynamicTaskPrioritisation) -> None:
        super().__init__(context)
        self._normalisations = tuple(context.normalisations)
        self._gamma = parameters.gamma
        self._smoothing = parameters.smoothing
        self.register_buffer("indicators", torch.full((self.n_tasks,), torch.nan))

    @torch.no_grad()
    def weights(self, step: Step) -> Tensor:
        """Update the indicators with this step's batch, and compute weights from them."""
        metrics = [
            norm.share_learned(outputs, targets)
            for norm, outputs, targets in zip(self._normalisations, step.outputs, step.targets, strict=True)
        ]
        now = torch.tensor(metrics).to(self.indicators).clamp(0.0, 1.0)
        before = torch.where(self.indicators.isnan(), now, self.indicators)
        self.indicators.copy_(self._smoothing * before + (1.0 - self._smoothing) * now)
        kept = self.indicators.clamp(MARGIN, 1.0 - MARGIN)
        return with_mean_one(-((1.0 - kept) ** self._gamma) * kept.log())
