"""What users may choose in a recipe: a declaration per method, and the registry that finds them."""

from grouping.recipes.checks import check_trainable
from grouping.recipes.declarations import Declaration
from grouping.recipes.registry import (
    MethodInfo,
    check_named_tasks,
    complete,
    get_declaration,
    list_methods,
    list_unavailable,
)
from grouping.recipes.work import epochs_of

__all__ = [
    "Declaration",
    "MethodInfo",
    "check_named_tasks",
    "check_trainable",
    "complete",
    "epochs_of",
    "get_declaration",
    "list_methods",
    "list_unavailable",
]
