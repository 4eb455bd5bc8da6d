"""Answer on the comparison of two jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from grouping.wire.base_types import Finite, Output
from grouping.wire.jobs import JobOut, LedgerOut


class FieldDifference(Output):
    """A field of the specification in which two jobs differ."""

    field: str = Field(description="Such as `strategy` or `trainer.parameters.recipe.epochs`.")
    a: Any
    b: Any


class ChosenOut(Output):
    """What a job recommends for an inference budget."""

    networks: list[str] = Field(description="Empty where no trained networks cover every task.")
    cost_snt: Finite
    loss: Finite = Field(description="Sum over the tasks, on the seeds of the search; lower is better.")
    sentence: str = Field(description="Whether it is worth it, on fresh seeds.")


class BudgetComparison(Output):
    """The recommendations of two jobs for one inference budget."""

    budget_snt: float
    a: ChosenOut | None = Field(description="Null where the job does not ask for this budget.")
    b: ChosenOut | None
    loss_change: Finite = Field(description="b - a, below 0 the second is better; null if not comparable.")


class AffinityChange(Output):
    """Change of the affinities between the tasks that two jobs have in common."""

    method: str
    tasks: list[str]
    values: list[list[Finite]] = Field(
        description="b - a by source, then target; above 0 the source is better for the target in b. "
        "Null if unknown."
    )
    sentence: str


class JobComparison(Output):
    """Difference of the second job from the first."""

    a: JobOut
    b: JobOut
    differences: list[FieldDifference]
    tasks_in_both: list[str]
    only_a: list[str]
    only_b: list[str]
    budgets: list[BudgetComparison]
    spent_a: LedgerOut
    spent_b: LedgerOut
    affinity: AffinityChange | None = Field(description="Null with fewer than two tasks in common.")
    notes: list[str] = Field(description="What to keep in mind, such as that losses do not compare.")
