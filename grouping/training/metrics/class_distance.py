"""Class distance: the mean of ``|predicted class - true class|``."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def class_distance(predictions: Predictions, declaration: object) -> float:
    """Compute the class distance; see the module."""
    predicted, wanted = predictions.classes()
    return float((predicted - wanted).abs().double().mean())
