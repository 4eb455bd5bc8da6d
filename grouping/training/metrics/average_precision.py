"""Average precision: 0 where no row is positive, NaN where an output is not finite."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import average_precision_score

from grouping.training.metrics.predictions import Predictions


def average_precision(predictions: Predictions, declaration: object) -> float:
    """Compute the average precision; see the module."""
    scores = predictions.predicted.flatten().double().cpu().numpy()
    wanted = predictions.classes()[1].cpu().numpy()
    if not np.isfinite(scores).all():
        return math.nan
    return float(average_precision_score(wanted, scores)) if wanted.any() else 0.0
