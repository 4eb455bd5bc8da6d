"""From a declaration to what carries it out, as ``module:attribute``."""

from __future__ import annotations

import importlib
from typing import Any

from grouping.errors import TrainingError
from grouping.recipes import Declaration


def implementation_of(declaration: Declaration, what: str) -> Any:
    """What the declaration names.

    Args:
        declaration: of a method, a loss or a metric.
        what: which of these, for people.

    Raises:
        TrainingError: if it is not there.
    """
    module, _, attribute = declaration.implementation.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrainingError(
            f"The {what} {declaration.name!r} cannot be carried out here: {declaration.implementation} is "
            f"not there ({error}). Install its plug-in where the workers run."
        ) from error
