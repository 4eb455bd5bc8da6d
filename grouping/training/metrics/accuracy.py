"""Accuracy: the share of the rows whose class is the predicted one."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def accuracy(predictions: Predictions, declaration: object) -> float:
    """Compute the accuracy; see the module."""
    predicted, wanted = predictions.classes()
    return float((predicted == wanted).double().mean())
