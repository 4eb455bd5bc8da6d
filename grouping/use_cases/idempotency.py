"""Digests of requests, by which a request repeated under one idempotency key is told from another one.

A retry may meet a newer version that knows more fields, so a field added later counts only where it differs
from its default. The first fields are listed here once and for all: a new field of a request needs no entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from typing import Any

from pydantic import BaseModel


def _names(names: str, within: str = "") -> frozenset[str]:
    return frozenset(f"{within}{name}" for name in names.split())


_SPEC = (
    _names("name strategy max_group_size single_sizes budgets_snt n_seeds n_confirmation_seeds weights seed")
    | _names("training_budget")
    | _names("trainings epochs seconds", "training_budget.")
    | _names("recipe")
    | _names("hidden epochs batch_size learning_rate weight_decay", "recipe.")
)
FIRST_OF_JOB = _SPEC | _names("problem tasks tuning_samples")
"""Fields of a job's request that count whatever they hold."""
FIRST_OF_CLONE = (
    _SPEC
    | _names("add_tasks drop_tasks")
    | _names("encoder sharing weighting schedule optimiser precision", "recipe.")
)
"""The same of the request for a clone."""
FIRST_OF_GROUPING = (
    _names("cost weights objective budget_snt k constraints confidence")
    | _names("together apart max_networks max_group_size is_partition ceilings", "constraints.")
    | _names("ceilings_alone forced forbidden limits", "constraints.")
    | _names("n_resamples tolerance noise seed", "confidence.")
)
"""The same of the request for a stored grouping."""


def counted(request: BaseModel, first: Set[str], within: str = "") -> dict[str, Any]:
    """Dump what counts of a request: its first fields, and of later ones those that differ from the default.

    Args:
        request: the request, or a field of it.
        first: the first fields; a field of a field as ``a.b``.
        within: name of the field with a dot, empty for the request itself.
    """
    dumped = request.model_dump(mode="json")
    for name, field in type(request).model_fields.items():
        path, value = f"{within}{name}", getattr(request, name)
        if path not in first and value == field.get_default(call_default_factory=True):
            del dumped[name]
        elif isinstance(value, BaseModel) and any(known.startswith(f"{path}.") for known in first):
            dumped[name] = counted(value, first, f"{path}.")
    return dumped


def digest_of(asked: Any) -> str:
    """Compute the SHA-256 of a JSON value, independent of the order of fields and of white space."""
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
