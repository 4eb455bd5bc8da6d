"""Answers on what a job has spent and saved."""

from __future__ import annotations

from pydantic import AliasPath, Field

from grouping.domain.trainings.trials import Purpose
from grouping.wire.amounts import AmountOut, ReuseOut
from grouping.wire.base_types import Finite, Output, Sentence
from grouping.wire.jobs import TrainingBudgetOut


class LedgerRowOut(Output):
    """Spending on one network for one purpose."""

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
    full_network_equivalents: float = Field(validation_alias="equivalents")
    reused: int = Field(description="Trials copied from other jobs; they cost nothing here.")
    reused_epochs: int = Field(description="Epochs that the copied trials took in the job that trained them.")
    reused_seconds: float
    told: int = Field(description="Trials whose result was told from outside; they cost nothing.")


class SavingsOut(Output):
    """Costs of the search compared with training every candidate with every search seed.

    `saved` and `share` are null until the search has come to its own end: one that was cancelled, failed, or
    was cut off by the training budget has saved nothing.
    """

    candidates: int
    networks: int = Field(description="Candidates with the outcome of a full training: own, copied or told.")
    exhaustive: AmountOut
    trained: AmountOut = Field(
        description="Cost of the trainings that ended; those under way are not counted."
    )
    saved: AmountOut | None
    share: Finite = Field(description="Share of the epochs that was saved; negative if it took more.")
    reused: int = Field(description="Trials of the search that were copied from other jobs.")
    told: int = Field(description="Trials of the search whose result was told from outside.")
    basis: str = Field(description="Measurements on which the seconds of the exhaustive search are based.")


class JobLedgerOut(Output):
    """Ledger of a job: what it has spent and saved."""

    job_id: str = Field(validation_alias=AliasPath("job", "id"))
    is_final: bool = Field(validation_alias=AliasPath("job", "state", "is_final"))
    charged: AmountOut = Field(
        description="Everything that was started, repeated attempts included; `tuning_samples` are not."
    )
    search: AmountOut = Field(description="Trainings started, with epochs and seconds of those that ended.")
    confirmation: AmountOut = Field(description="The same for the confirmation.")
    tuning: AmountOut = Field(
        description="The same for recipes tuned for the verdict, fresh seeds under them included."
    )
    reused: AmountOut = Field(description="Amount that the copied trials took in the jobs that trained them.")
    told: int = Field(description="Trials whose result was told from outside; they cost nothing.")
    training_budget: TrainingBudgetOut = Field(validation_alias=AliasPath("job", "spec", "training_budget"))
    left: TrainingBudgetOut = Field(description="What may still be planned; null where there is no limit.")
    savings: SavingsOut = Field(validation_alias="told_savings")
    reuse: ReuseOut | None
    sentence: Sentence
    items: list[LedgerRowOut] = Field(
        description="Spending by network and purpose, for one page of networks."
    )
    next_page_token: str | None
