"""Balanced accuracy: the mean recall of the classes that these rows have."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import recall_score

from grouping.training.metrics.predictions import Predictions


def balanced_accuracy(predictions: Predictions, declaration: object) -> float:
    """Compute the balanced accuracy; see the module."""
    predicted, wanted = (classes.cpu().numpy() for classes in predictions.classes())
    return float(recall_score(wanted, predicted, labels=np.unique(wanted), average="macro", zero_division=0))
