"""Limit on how many networks are trained together: more would gain nothing, or take too much memory."""

from __future__ import annotations

from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.cost import scaled_widths
from grouping.training.data import TrainingData
from grouping.training.methods import build_encoder

MOST_MEMBERS = 64
"""Twice as many were a tenth cheaper at width 32 and no cheaper at 128, and share out worse among workers."""
MOST_NUMBERS = 32_000_000
"""Weights and activations of a stack together, 4 bytes each; several copies are held. Bounds its memory."""


def most_members(data: TrainingData, request: TrialRequest, recipe: Recipe) -> int:
    """Return how many networks like that one are trained together at most."""
    widths = scaled_widths(build_encoder(recipe, data.n_features), recipe.hidden, request.network.size)
    n_ins = (data.n_features, *widths[:-1])
    outputs = sum(task.n_outputs for task in data.tasks)
    n_weights = sum(a * b for a, b in zip(n_ins, widths, strict=True)) + outputs * widths[-1]
    n_activations = min(recipe.batch_size, len(data.train)) * (sum(widths) + outputs)
    return max(1, min(MOST_MEMBERS, MOST_NUMBERS // (n_weights + n_activations)))
