"""Requests for a solve: budget, constraints, weights, objective, alternatives and confidence."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from grouping.domain.constraints import Constraints, Objective, without_standing
from grouping.domain.jobs.specification import MAX_BUDGET_SNT
from grouping.domain.jobs.task_definitions import Weight
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import MAX_TASKS
from grouping.errors import pointing_below
from grouping.wire.base_types import MAX_SAFE_INTEGER, Input
from grouping.wire.constraints import AtLeastOne, ConstraintsIn, TaskSets
from grouping.wire.requests import Name

MAX_ALTERNATIVES = 20
MAX_ASKED_RESAMPLES = 2000
"""Over HTTP, where the answer is waited for; `grouping.solver.assess_confidence` itself allows more."""
MAX_NOISE = 1.0
MAX_BUDGET_IN_ANY_UNIT = 1e15
"""Of a budget in whatever unit it counts: standard network times, or that of another cost, such as bytes."""

Weights = Annotated[dict[Name, Weight], Field(max_length=MAX_TASKS)]

GROUPING_EXAMPLE: dict[str, Any] = {
    "budget_snt": 1.5,
    "constraints": {"apart": [["depth", "normals"]], "max_networks": 2, "ceilings_alone": {"edges": 1.05}},
    "weights": {"depth": 2.0},
    "objective": "sum",
    "k": 3,
    "confidence": {"n_resamples": 200, "tolerance": 0.01},
}


class ConfidenceIn(Input):
    """How to test a grouping against the noise of the scores."""

    n_resamples: Annotated[int, Field(ge=10, le=MAX_ASKED_RESAMPLES)] = Field(
        default=200, description="Number of times that the scores are drawn again."
    )
    tolerance: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.01,
        description="Difference in loss that does not matter, relative to the least loss of a draw.",
    )
    noise: Annotated[float, Field(gt=0, le=MAX_NOISE)] | None = Field(
        default=None,
        description="Standard deviation of a mean loss relative to its value, such as 0.01; measured on the "
        "seeds if left out, which takes two of them.",
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] = Field(
        default=0, description="Seed of the resampling."
    )

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        return self.model_dump_json()


class Demands(Input):
    """Parts of a request for a solve that do not depend on the budget."""

    cost: Name | None = Field(
        default=None,
        description="One of the table's further costs, in whose unit budget and costs then count; "
        "standard network times if left out.",
    )
    constraints: ConstraintsIn = Field(default_factory=lambda: ConstraintsIn())
    standing_demands: bool = Field(
        default=True,
        description="Whether what stands holds too: the constraints of the job that trains the table, and "
        "`must_not_worsen` of its tasks. A number in `constraints` replaces that of the job.",
    )
    weights: Weights = Field(
        default_factory=dict, description="Weights of tasks in the total loss; the table's own if left out."
    )
    objective: Annotated[Objective, Field(strict=False)] = Field(
        default=Objective.SUM,
        description="`sum`: the weighted sum of the losses. `relative`: of each loss divided by that alone.",
    )

    @property
    def key(self) -> str:
        """Return a text that is equal for equal demands."""
        shared = self.model_dump(mode="json", include=set(Demands.model_fields), exclude_defaults=True)
        return json.dumps(shared, sort_keys=True)

    @property
    def is_plain(self) -> bool:
        """Whether all demands are the defaults."""
        return self.key == "{}"

    def to_constraints(self) -> Constraints:
        """Convert to the constraints of the domain; errors point into the whole request.

        Raises:
            InvalidInputError: if one breaks a rule.
        """
        with pointing_below("/constraints"):
            return self.constraints.to_domain()

    def applied_to(self, table: ScoreTable) -> ScoreTable:
        """Return the table with the requested weights and cost, after a check of the constraints.

        Raises:
            InvalidInputError: on an unknown task, cost or network.
        """
        with pointing_below("/weights", always=True):
            table = table.with_weights(self.weights)
        if self.cost is not None:
            table = table.priced_by(self.cost)
        if not self.standing_demands:
            table = without_standing(table)
        constraints = self.to_constraints()
        with pointing_below("/constraints"):
            constraints.check(table)
        return table


class CurveRequest(Demands):
    """Request for the least loss at several budgets, under constraints. Trains and stores nothing."""

    budgets_snt: (
        Annotated[
            list[Annotated[float, Field(gt=0, le=MAX_BUDGET_IN_ANY_UNIT)]],
            Field(min_length=1, max_length=100),
        ]
        | None
    ) = Field(
        default=None,
        description="Inference budgets, in standard network times or in the unit of `cost`; the usual "
        "ones if left out.",
    )


class PairwiseRequest(Input):
    """Request for a solve over all groups of tasks, with losses estimated from measured singles and pairs."""

    budget_snt: Annotated[float, Field(gt=0, le=MAX_BUDGET_SNT)] = Field(
        description="The most the grouping may cost, in standard network times; a group costs 1."
    )
    apart: TaskSets = Field(
        default_factory=list, description="Sets of tasks of which no network is trained on two."
    )
    max_networks: AtLeastOne | None = Field(default=None, description="The most networks chosen.")
    max_group_size: AtLeastOne | None = Field(default=None, description="The most tasks in a network.")
    weights: Weights = Field(
        default_factory=dict, description="Weights of tasks in the total loss; the table's own if left out."
    )
    standing_demands: bool = Field(
        default=True,
        description="Whether what stands must hold too: the constraints of the job that trains the table, "
        "and `must_not_worsen` of its tasks. What only listed networks can be held to is refused then.",
    )

    @property
    def key(self) -> str:
        """Return a text that is equal for equal requests."""
        return self.model_dump_json()

    def to_constraints(self) -> Constraints:
        """Convert to the constraints of the domain."""
        return Constraints(
            apart=tuple(frozenset(tasks) for tasks in self.apart),
            max_networks=self.max_networks,
            max_group_size=self.max_group_size,
        )


class GroupingRequest(Demands):
    """Request for a solve of a score table within a budget, under constraints. Trains nothing."""

    budget_snt: Annotated[float, Field(gt=0, le=MAX_BUDGET_IN_ANY_UNIT)] = Field(
        description="The most the grouping may cost, in standard network times, or in the unit of `cost`."
    )
    k: Annotated[int, Field(ge=1, le=MAX_ALTERNATIVES)] = Field(
        default=1, description="Number of best groupings to list."
    )
    confidence: ConfidenceIn | None = Field(
        default=None, description="Test the grouping against the noise of the scores at once."
    )

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.cost is None and self.budget_snt > MAX_BUDGET_SNT:
            raise ValueError(f"an inference budget is at most {MAX_BUDGET_SNT:g} SNT")
        return self
