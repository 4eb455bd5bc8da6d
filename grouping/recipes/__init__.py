"""What users may choose in a recipe: a declaration per method, and the registry that finds them."""

from grouping.recipes.declarations import Declaration
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
    "MethodInfo",
    "check_named_tasks",
    "complete",
    "get_declaration",
    "list_methods",
    "list_unavailable",
]
