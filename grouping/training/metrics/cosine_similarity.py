"""Cosine similarity: the mean cosine of the angle between predicted and true direction."""

from __future__ import annotations

from grouping.training.metrics.predictions import Predictions


def cosine_similarity(predictions: Predictions, declaration: object) -> float:
    """Compute the cosine similarity; see the module."""
    return float(predictions.cosines().mean())
