"""Requests made from the specification of a job that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import MEASURED, SizeVariant
from grouping.wire.jobs import SpecOut


def asked_size(told: Mapping[str, Any], size: SizeVariant) -> dict[str, Any]:
    """Return the fields of a size as a request has them, from all of its fields."""
    asked = {name: value for name, value in told.items() if name != "is_to_be_measured"}
    return asked | {"cost": MEASURED} if size.is_to_be_measured else asked


def asked_like(spec: JobSpec) -> dict[str, Any]:
    """Return the fields of a request for the same job, without its name."""
    asked = SpecOut.read(spec).model_dump()
    if definitions := asked.pop("definitions"):
        asked["tasks"] = definitions
    if spec.sizes:
        del asked["single_sizes"]  # they follow from the sizes
        asked["sizes"] = [
            asked_size(told, size) for told, size in zip(asked["sizes"], spec.sizes, strict=True)
        ]
    return asked
