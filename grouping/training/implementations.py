"""Import of the implementation that a declaration names, as ``module:attribute``."""

from __future__ import annotations

import importlib
from typing import Any

from grouping.errors import TrainingError
from grouping.recipes import Declaration


def implementation_of(declaration: Declaration, what: str) -> Any:
    """Import the implementation that a declaration names.

    Args:
        declaration: declaration of a method, a loss or a metric.
        what: kind of the declaration, for error messages.

    Raises:
        TrainingError: if there is no such implementation.
    """
    module, _, attribute = declaration.implementation.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrainingError(
            f"The {what} {declaration.name!r} cannot be carried out here: {declaration.implementation} is "
            f"not there ({error}). Install its plug-in where the workers run."
        ) from error
