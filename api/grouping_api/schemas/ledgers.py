"""What a job has cost, as it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from grouping.domain.jobs import Job
from grouping.domain.ledgers import Amount, Rates, Savings, Spending
from grouping.domain.standing import Standing
from grouping.domain.trials import Purpose
from grouping_api.ledgers import JobLedger
from grouping_api.schemas.amounts import AmountOut, ReuseOut
from grouping_api.schemas.common import Output
from grouping_api.schemas.jobs import TrainingBudgetOut


class LedgerRowOut(Output):
    """What was spent on one network for one purpose."""

    network: str
    purpose: Purpose
    group_size: int
    size: float
    fidelity: float
    planned: int = Field(description="Trials that wait for their turn.")
    trainings: int = Field(description="Trials that were started, those under way included.")
    attempts: int = Field(description="Starts, those included that were lost and repeated.")
    epochs: int
    seconds: float
    full_network_equivalents: float
    reused: int = Field(description="Trials copied from other jobs; they cost nothing here.")
    reused_epochs: int = Field(description="Their epochs where they were trained.")
    reused_seconds: float

    @classmethod
    def of(cls, row: Spending) -> Self:
        """From the domain."""
        plain = {name: getattr(row, name) for name in cls.model_fields if name != "full_network_equivalents"}
        return cls(**plain, full_network_equivalents=row.equivalents)


class SavingsOut(Output):
    """The search against training every candidate with every search seed.

    `saved` and `share` are null until the search has come to its own end: one that was cancelled, failed, or
    was cut off by the training budget has saved nothing.
    """

    candidates: int
    networks: int = Field(description="Candidates with a full training that has an outcome, own or copied.")
    exhaustive: AmountOut
    trained: AmountOut = Field(description="What has ended; trainings under way are not counted.")
    saved: AmountOut | None
    share: float | None = Field(description="Share of the epochs that was saved; negative if it took more.")
    reused: int = Field(description="Trials of the search that were copied from other jobs.")
    basis: str = Field(description="What the seconds of the exhaustive search rest on.")

    @classmethod
    def of(cls, made: Savings, rates: Rates, standing: Standing) -> Self:
        """From the domain."""
        has_saved = standing.has_searched
        n = rates.trainings
        basis = f"measured on {n:,} trainings of these networks" if n else "nothing measured yet"
        return cls(
            candidates=made.candidates,
            networks=made.networks,
            exhaustive=AmountOut.of(made.exhaustive),
            trained=AmountOut.of(made.trained),
            saved=AmountOut.of(made.saved) if has_saved else None,
            share=made.share if has_saved else None,
            reused=made.reused,
            basis=basis,
        )


class JobLedgerOut(Output):
    """What a job has spent and what it has saved."""

    job_id: str
    is_final: bool
    charged: AmountOut = Field(
        description="Everything that was started, repeated attempts included; tuning the recipe is not."
    )
    search: AmountOut = Field(description="Trainings started, with epochs and seconds of those that ended.")
    confirmation: AmountOut = Field(description="Likewise.")
    reused: AmountOut = Field(description="What copied trials took where they were trained.")
    training_budget: TrainingBudgetOut
    left: TrainingBudgetOut = Field(description="What may still be planned; null where there is no limit.")
    savings: SavingsOut
    reuse: ReuseOut | None
    sentence: str
    items: list[LedgerRowOut] = Field(description="By network and purpose, one page of networks.")
    next_page_token: str | None

    @classmethod
    def of(
        cls,
        job: Job,
        read: JobLedger,
        reuse: ReuseOut | None,
        page: tuple[Sequence[Spending], int | None],
    ) -> Self:
        """Put together from what the store tells."""
        rows, ledger, standing = read.rows, read.charged, Standing.of(job)
        limits = job.spec.training_budget
        charged = Amount.spent(rows)
        planned = sum(row.planned for row in rows)
        used = (charged.trainings + planned, sum(row.reserved_epochs for row in rows), ledger.seconds)
        left = [
            None if limit is None else max(0, limit - amount)
            for limit, amount in zip((limits.trainings, limits.epochs, limits.seconds), used, strict=True)
        ]
        of_purpose = {p: Amount.spent(row for row in rows if row.purpose is p) for p in Purpose}
        return cls(
            job_id=job.id,
            is_final=job.state.is_final,
            charged=AmountOut.of(
                Amount(
                    ledger.trainings,
                    ledger.epochs,
                    sum(row.attempted_equivalents for row in rows),
                    ledger.seconds,
                )
            ),
            search=AmountOut.of(of_purpose[Purpose.SEARCH]),
            confirmation=AmountOut.of(of_purpose[Purpose.CONFIRMATION]),
            reused=_reused(rows),
            training_budget=TrainingBudgetOut(
                trainings=limits.trainings, epochs=limits.epochs, seconds=limits.seconds
            ),
            left=TrainingBudgetOut.model_validate(
                dict(zip(TrainingBudgetOut.model_fields, left, strict=True))
            ),
            savings=SavingsOut.of(read.savings, read.rates, standing),
            reuse=reuse,
            sentence=standing.search(read.savings),
            items=[LedgerRowOut.of(row) for row in page[0]],
            next_page_token=None if page[1] is None else str(page[1]),
        )


def _reused(rows: Sequence[Spending]) -> AmountOut:
    return AmountOut(
        trainings=sum(row.reused for row in rows),
        epochs=sum(row.reused_epochs for row in rows),
        full_network_equivalents=sum(row.reused * row.size * row.fidelity for row in rows),
        seconds=sum(row.reused_seconds for row in rows),
    )
