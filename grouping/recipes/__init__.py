"""Declarations of the methods, losses and metrics that a recipe or a task may name, and their registries."""

from grouping.recipes.checks import check_trainable
from grouping.recipes.declarations import Declaration
from grouping.recipes.epochs import epochs_of
from grouping.recipes.losses_and_metrics import (
    LossInfo,
    MetricInfo,
    complete_task,
    list_losses,
    list_metrics,
    list_unavailable_losses,
    list_unavailable_metrics,
    named_loss,
    named_metric,
)
from grouping.recipes.registry import (
    MethodInfo,
    check_named_tasks,
    complete,
    get_declaration,
    list_methods,
    list_unavailable,
)

__all__ = [
    "Declaration",
    "LossInfo",
    "MethodInfo",
    "MetricInfo",
    "check_named_tasks",
    "check_trainable",
    "complete",
    "complete_task",
    "epochs_of",
    "get_declaration",
    "list_losses",
    "list_methods",
    "list_metrics",
    "list_unavailable",
    "list_unavailable_losses",
    "list_unavailable_metrics",
    "named_loss",
    "named_metric",
]
