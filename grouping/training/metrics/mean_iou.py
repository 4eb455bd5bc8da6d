"""Mean IoU: intersection by union of each class, over those that are true or predicted somewhere."""

from __future__ import annotations

from sklearn.metrics import jaccard_score

from grouping.training.metrics.predictions import Predictions


def mean_iou(predictions: Predictions, declaration: object) -> float:
    """Compute the mean IoU; see the module."""
    predicted, wanted = (classes.cpu().numpy() for classes in predictions.classes())
    return float(jaccard_score(wanted, predicted, average="macro", zero_division=0))
