"""Requests made from the specification of a job that is there."""

from __future__ import annotations

from typing import Any

from grouping.domain.jobs import JobSpec
from grouping.wire.jobs import SpecOut


def asked_like(spec: JobSpec) -> dict[str, Any]:
    """Return the fields of a request for the same job, without its name."""
    asked = SpecOut.read(spec).model_dump()
    if definitions := asked.pop("definitions"):
        asked["tasks"] = definitions
    if spec.sizes:
        del asked["single_sizes"]  # they follow from the sizes
    return asked
