"""Mean absolute error over all rows and outputs, in the units of the target."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def mae(predictions: Predictions, declaration: object) -> float:
    """Compute the mean absolute error; see the module."""
    predicted, wanted = predictions.in_own_units()
    return float((predicted - wanted).abs().mean())
