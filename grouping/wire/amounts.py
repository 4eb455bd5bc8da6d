"""Answers with amounts of training, and with what can be reused from other jobs."""

from __future__ import annotations

from pydantic import Field

from grouping.wire.base_types import Finite, Output


class AmountOut(Output):
    """An amount of training."""

    trainings: int
    epochs: int
    full_network_equivalents: float = Field(
        validation_alias="equivalents", description="Sum of size times fidelity over all trainings."
    )
    seconds: Finite = Field(description="Sum over all workers; null where nothing was measured to tell from.")


class ReuseSourceOut(Output):
    """A job that is named to be reused."""

    job_id: str
    obstacle: str | None = Field(description="Reason why nothing of it can be copied; null if something can.")


class ReuseOut(Output):
    """How much of the search can be reused from other jobs."""

    reusable: int = Field(description="Full trainings of candidates with the search seeds that are known.")
    of: int = Field(description="Full trainings of candidates with the search seeds, known or not.")
    jobs: list[ReuseSourceOut]
