"""Amounts of training, and what other jobs know, as they are answered."""

from __future__ import annotations

from pydantic import Field

from grouping.wire.common import Finite, Output


class AmountOut(Output):
    """So much training."""

    trainings: int
    epochs: int
    full_network_equivalents: float = Field(
        validation_alias="equivalents", description="Sum of size times fidelity over all trainings."
    )
    seconds: Finite = Field(description="Over all workers; null where nothing measured tells.")


class ReuseSourceOut(Output):
    """A job named to be reused."""

    job_id: str
    obstacle: str | None = Field(description="Why nothing of it can be copied; null where something can.")


class ReuseOut(Output):
    """How much of the search other jobs know."""

    reusable: int = Field(description="Full trainings of candidates with the search seeds that are known.")
    of: int = Field(description="How many there are.")
    jobs: list[ReuseSourceOut]
