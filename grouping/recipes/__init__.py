"""What users may choose in a recipe: a declaration per method, and the registry that finds them."""

from grouping.recipes.declarations import Declaration
from grouping.recipes.registry import (
    MethodInfo,
    complete,
    get_declaration,
    list_methods,
    list_unavailable,
)

__all__ = [
    "Declaration",
    "MethodInfo",
    "complete",
    "get_declaration",
    "list_methods",
    "list_unavailable",
]
