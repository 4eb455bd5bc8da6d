"""R², over all outputs, against the mean of these very rows; 0 where they do not vary."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def r2(predictions: Predictions, declaration: object) -> float:
    """Compute R²; see the module."""
    wanted = predictions.wanted.double()
    residual = float((predictions.predicted.double() - wanted).square().sum())
    spread = float((wanted - wanted.mean(dim=0)).square().sum())
    return 1.0 - residual / spread if spread > 0 else 0.0
