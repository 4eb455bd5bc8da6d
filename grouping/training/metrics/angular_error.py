"""Angular error: the mean angle between predicted and true direction, in degrees."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def angular_error(predictions: Predictions, declaration: object) -> float:
    """Compute the angular error; see the module."""
    return float(predictions.cosines().clamp(-1.0, 1.0).acos().rad2deg().mean())
