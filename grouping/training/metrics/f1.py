"""F1 of the positive rows; with several classes, the mean over those that are true or predicted somewhere."""

from __future__ import annotations

from sklearn.metrics import f1_score

from grouping.training.metrics.predictions import Predictions


def f1(predictions: Predictions, declaration: object) -> float:
    """Compute F1; see the module."""
    predicted, wanted = (classes.cpu().numpy() for classes in predictions.classes())
    average = "binary" if predictions.predicted.shape[1] == 1 else "macro"
    return float(f1_score(wanted, predicted, average=average, zero_division=0))
