"""Answers on what a job would cost."""

from __future__ import annotations

from pydantic import AliasPath, Field

from grouping.domain.trainings.allowance import Fit
from grouping.domain.trainings.trials import Purpose
from grouping.wire.amounts import AmountOut, ReuseOut
from grouping.wire.base_types import Finite, Output
from grouping.wire.catalogue import FindingOut
from grouping.wire.jobs import TrainingBudgetOut


class KindOut(Output):
    """Trainings of one kind that a job would need, beyond reused ones."""

    purpose: Purpose
    group_size: int
    size: float
    fidelity: float = Field(description="Share of the full number of epochs.")
    lower: int = Field(description="The fewest trainings.")
    upper: int = Field(description="The most trainings, in the costliest case.")
    epoch_s: Finite = Field(
        description="Measured seconds of an epoch of one training; null where nothing was measured."
    )


class BoundsOut(Output):
    """Lower and upper bound of a cost; equal where the trainings are known beforehand."""

    is_exact: bool = Field(validation_alias=AliasPath("forecast", "is_exact"))
    lower: AmountOut
    upper: AmountOut


class OptionOut(Output):
    """Cost of the job with one strategy, confirmation included."""

    name: str
    lower: AmountOut
    upper: AmountOut
    fits: Fit = Field(
        validation_alias="fit", description="Whether it fits into the training budget; `yes` without one."
    )


class BasisOut(Output):
    """Measurements on which estimated times are based."""

    jobs: int = Field(description="Jobs on the problem with the same layers and batch size.")
    trainings: int = Field(description="Finished trainings of these jobs.")
    missing: list[str] = Field(description="Kinds of networks whose time is not known.")
    sentence: str


class ExhaustiveOut(AmountOut):
    """Cost of training every candidate in full with every search seed."""

    networks: int
    share_lower: float = Field(description="The least share of these epochs that the search takes.")
    share_upper: float = Field(description="The largest share of these epochs that the search takes.")


class EstimateOut(Output):
    """Estimate of what a job would cost; nothing is stored."""

    strategy: str = Field(validation_alias=AliasPath("spec", "strategy"))
    search: BoundsOut
    confirmation: BoundsOut
    tuning: BoundsOut = Field(
        description="Trainings that tune recipes for the verdict, their fresh seeds included; none unless "
        "each is tuned."
    )
    total: OptionOut = Field(validation_alias="option")
    kinds: list[KindOut]
    wall_seconds_lower: Finite = Field(
        description="`seconds` divided among the given number of workers, without start-up."
    )
    wall_seconds_upper: Finite
    basis: BasisOut
    exhaustive: ExhaustiveOut
    training_budget: TrainingBudgetOut = Field(validation_alias=AliasPath("spec", "training_budget"))
    kept_back: int | None = Field(
        description="Trainings that the search leaves to the confirmation; 0 if the budget is too small to "
        "confirm anything, null without a budget in trainings or epochs."
    )
    largest_that_fits: str | None = Field(
        description="Of the strategies that surely fit, the one with the most trainings; null if none does."
    )
    strategies: list[OptionOut] = Field(
        validation_alias="options",
        description="All strategies that can run the job, the fewest trainings first.",
    )
    reuse: ReuseOut | None
    findings: list[FindingOut] = Field(
        description="What to look at in the data before training; only of problems made of stored tables."
    )
    told: int = Field(description="Finished trainings that come with the job, which are not trained again.")
    stated: list[str] = Field(
        description="What the job states beside networks, budgets and seeds, in sentences: constraints, the "
        "baselines of its verdict, and of its trainings length, resources, deadline and attempts."
    )
    sentence: str
