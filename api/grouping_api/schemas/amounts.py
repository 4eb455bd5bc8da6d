"""Amounts of training, and what other jobs know, as they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from grouping.domain.ledgers import Amount
from grouping.store import ReuseSource
from grouping_api.schemas.common import Output, finite


class AmountOut(Output):
    """So much training."""

    trainings: int
    epochs: int
    full_network_equivalents: float = Field(description="Sum of size times fidelity over all trainings.")
    seconds: float | None = Field(description="Over all workers; null where nothing measured tells.")

    @classmethod
    def of(cls, amount: Amount) -> Self:
        """From the domain."""
        return cls(
            trainings=amount.trainings,
            epochs=amount.epochs,
            full_network_equivalents=amount.equivalents,
            seconds=finite(amount.seconds),
        )


class ReuseSourceOut(Output):
    """A job named to be reused."""

    job_id: str
    obstacle: str | None = Field(description="Why nothing of it can be copied; null where something can.")

    @classmethod
    def of(cls, source: ReuseSource) -> Self:
        """From the store."""
        return cls(job_id=source.job_id, obstacle=source.obstacle)


class ReuseOut(Output):
    """How much of the search other jobs know."""

    reusable: int = Field(description="Full trainings of candidates with the search seeds that are known.")
    of: int = Field(description="How many there are.")
    jobs: list[ReuseSourceOut]

    @classmethod
    def made(cls, reusable: int, of: int, sources: Sequence[ReuseSource]) -> Self | None:
        """From the store; None where no job is to be reused."""
        if not sources:
            return None
        return cls(reusable=reusable, of=of, jobs=[ReuseSourceOut.of(source) for source in sources])
