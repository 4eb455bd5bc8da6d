"""Area under the ROC curve: 0.5 where all rows are in one class, NaN where an output is not finite."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import roc_auc_score

from grouping.training.metrics.predictions import Predictions


def roc_auc(predictions: Predictions, declaration: object) -> float:
    """Compute the area under the ROC curve; see the module."""
    scores = predictions.predicted.flatten().double().cpu().numpy()
    wanted = predictions.classes()[1].cpu().numpy()
    if not np.isfinite(scores).all():
        return math.nan
    return float(roc_auc_score(wanted, scores)) if np.ptp(wanted) else 0.5
