"""Root mean squared error over all rows and outputs, in the units of the target."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def rmse(predictions: Predictions, declaration: object) -> float:
    """Compute the root mean squared error; see the module."""
    predicted, wanted = predictions.in_own_units()
    return float((predicted - wanted).square().mean().sqrt())
