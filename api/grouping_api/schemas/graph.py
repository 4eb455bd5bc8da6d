"""The affinity graph and what clustering it would cost, as they are answered."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from grouping.clustering import ClusteringComparison, ClusteringOutcome
from grouping.domain.affinity import STANDS_OUT, AffinityMatrix
from grouping.domain.affinity_status import CellStatus
from grouping.store import TableInfo
from grouping.strategies.affinity.graph import communities
from grouping_api.schemas.common import Output, finite
from grouping_api.schemas.groupings import SolutionOut


class GraphNodeOut(Output):
    """A task."""

    task: str
    community: int = Field(description="Number of its community, counted from 0; the largest comes first.")


class GraphEdgeOut(Output):
    """The effect of a task on another: positive helps, negative harms; see `is_effect`."""

    source: str
    target: str
    value: float
    standard_error: float | None = Field(description="Null where it is not known, as with one seed.")
    status: CellStatus = Field(description="Whether it is `measured` or `estimated` from other networks.")
    is_within_noise: bool = Field(
        description=f"Whether it is at most {STANDS_OUT:g} standard errors from 0; false without an error."
    )


class ClusteringOut(Output):
    """What one way to cluster the tasks recommends within the inference budget."""

    method: str
    title: str
    groups: list[list[str]] = Field(description="A partition of the tasks; empty if none fits the budget.")
    networks: list[str] = Field(description="The full-size network of each group.")
    missing: list[str] = Field(description="Those of them that are not measured completely.")
    is_measured: bool = Field(description="Whether there are groups, and all of them are measured.")
    cost_snt: float | None = Field(description="Of all networks; 1 SNT for one that is not in the table.")
    loss: float | None = Field(description="Weighted total validation loss; lower is better.")
    difference: float | None = Field(description="loss - loss of the exact grouping; positive is worse.")
    relative_difference: float | None = Field(description="difference / loss of the exact grouping.")

    @classmethod
    def of(cls, outcome: ClusteringOutcome, tasks: tuple[str, ...]) -> Self:
        """From the comparison."""
        return cls(
            method=outcome.method,
            title=outcome.title,
            groups=[[task for task in tasks if task in network.group] for network in outcome.networks],
            networks=[network.name(tasks) for network in outcome.networks],
            missing=[network.name(tasks) for network in outcome.missing],
            is_measured=outcome.loss is not None,
            cost_snt=finite(outcome.cost_snt),
            loss=finite(outcome.loss),
            difference=finite(outcome.difference),
            relative_difference=finite(outcome.relative_difference),
        )


class AffinityGraphOut(Output):
    """Tasks as nodes, directed signed effects as edges, and clusterings beside the exact grouping."""

    score_table_id: str
    revision: int
    method: str
    formula: str = Field(description="The formula of an edge's value, in words.")
    is_effect: bool = Field(
        description="Whether a value is signed, and positive helps; else it says how alike two tasks are, "
        "from 0 to 1, the same in both directions."
    )
    nodes: list[GraphNodeOut] = Field(description="In the order of the tasks.")
    edges: list[GraphEdgeOut] = Field(description="Every known effect, the highest value first.")
    summary: str = Field(description="What stands out from the noise, and how much is known.")
    warnings: list[str]
    budget_snt: float
    exact: SolutionOut
    clusterings: list[ClusteringOut] = Field(
        description="Empty where no effect is known, and for tables of very many tasks."
    )
    sentence: str = Field(description="What clustering alone would cost, for people.")

    @classmethod
    def of(cls, info: TableInfo, matrix: AffinityMatrix, comparison: ClusteringComparison) -> Self:
        """From the domain."""
        number = {task: n for n, group in enumerate(communities(matrix)) for task in group}
        return cls(
            score_table_id=info.id,
            revision=info.revision,
            method=matrix.method,
            formula=matrix.formula,
            is_effect=matrix.is_effect,
            nodes=[GraphNodeOut(task=task, community=number[task]) for task in matrix.tasks],
            edges=[
                GraphEdgeOut(
                    source=effect.source,
                    target=effect.target,
                    value=effect.value,
                    standard_error=finite(effect.standard_error),
                    status=effect.status,
                    is_within_noise=effect.is_within_noise,
                )
                for effect in matrix.effects()
            ],
            summary=matrix.summary(),
            warnings=list(matrix.warnings),
            budget_snt=comparison.exact.budget_snt,
            exact=SolutionOut.of(comparison.exact),
            clusterings=[ClusteringOut.of(outcome, matrix.tasks) for outcome in comparison.outcomes],
            sentence=comparison.sentence(),
        )
