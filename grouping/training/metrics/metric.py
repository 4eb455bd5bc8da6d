"""Metric function: a metric with its parameters, ready to be computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grouping.domain.tasks import Metric
from grouping.recipes.losses_and_metrics import get_metric
from grouping.recipes.metrics import MetricDeclaration
from grouping.training.implementations import implementation_of
from grouping.training.metrics.predictions import Predictions


@dataclass(frozen=True, slots=True)
class MetricFunction:
    """A metric with its parameters.

    Attributes:
        compute: the implementation that its declaration names.
        declaration: declaration with all parameters.
    """

    compute: Callable[[Predictions, MetricDeclaration], float]
    declaration: MetricDeclaration

    @classmethod
    def of(cls, metric: Metric) -> MetricFunction:
        """Build the metric of a task.

        Raises:
            UnknownNameError, InvalidInputError: if it is not known.
            TrainingError: if there is no such implementation.
        """
        declaration = get_metric(metric)
        return cls(implementation_of(declaration, "metric"), declaration)

    def __call__(self, predictions: Predictions) -> float:
        """Compute the metric."""
        return self.compute(predictions, self.declaration)
