"""Declaration of a metric: its unit, its direction and the tasks it fits, without PyTorch."""

from __future__ import annotations

from typing import ClassVar, Protocol

from grouping.domain.tasks import Direction, TaskKind
from grouping.recipes.declarations import Declaration

NUMBERS = (TaskKind.REGRESSION, TaskKind.DENSE_MAP)
CLASSES = (TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL, TaskKind.CLASS_MAP)
"""Kinds whose rows, labels or pixels have a class, or yes or no."""


class MetricDeclaration(Declaration, Protocol):
    """A `Declaration` of a metric. Its fields are plain values: numbers, texts or truth values.

    `implementation` names a function of `grouping.training.metrics.Predictions` and the declaration. It
    returns a number, which is finite wherever the predictions are.

    Attributes:
        unit: unit of the number, for people.
        direction: whether lower or higher is better.
        kinds: the kinds of tasks that it fits.
    """

    unit: ClassVar[str]
    direction: ClassVar[Direction]
    kinds: ClassVar[tuple[TaskKind, ...]]
