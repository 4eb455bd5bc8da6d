"""Metrics of tasks: one file each, a function of `Predictions` and its declaration."""

from grouping.training.metrics.metric import MetricFunction
from grouping.training.metrics.predictions import Predictions

__all__ = ["MetricFunction", "Predictions"]
