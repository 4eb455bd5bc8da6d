"""Answers with the affinity graph and with what clustering it would cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasPath, Field

from grouping.domain.affinities.matrix import STANDS_OUT
from grouping.domain.affinities.status import CellStatus
from grouping.wire.base_types import Asked, Finite, Group, NetworkLabel, Output, Sentence
from grouping.wire.groupings import SolutionOut


class GraphNodeOut(Output):
    """A task."""

    task: str
    community: int = Field(description="Number of its community, counted from 0; the largest comes first.")


class GraphEdgeOut(Output):
    """The effect of a task on another: positive helps, negative harms; see `is_effect`."""

    source: str
    target: str
    value: float
    standard_error: Finite = Field(
        description="Standard error of the value; null where unknown, as with one seed."
    )
    status: CellStatus = Field(description="Whether it is `measured` or `estimated` from other networks.")
    is_within_noise: bool = Field(
        description=f"Whether it is at most {STANDS_OUT:g} standard errors from 0; false without an error."
    )


class ClusteringOut(Output):
    """Groups that one clustering method recommends within the inference budget."""

    method: str
    title: str
    groups: list[Group] = Field(description="A partition of the tasks; empty if none fits the budget.")
    networks: list[NetworkLabel] = Field(description="The full-size network of each group.")
    missing: list[NetworkLabel] = Field(
        description="Networks of the groups that are not measured completely."
    )
    is_measured: bool = Field(description="Whether there are groups, and all of them are measured.")
    cost_snt: Finite = Field(
        description="Inference cost of all networks; 1 SNT for a network that is not in the table."
    )
    loss: Finite = Field(description="Weighted total validation loss; lower is better.")
    difference: Finite = Field(description="loss - loss of the exact grouping; positive is worse.")
    relative_difference: Finite = Field(description="difference / loss of the exact grouping.")


class AffinityGraphOut(Output):
    """Tasks as nodes, directed signed effects as edges, and clusterings beside the exact grouping."""

    score_table_id: str = Field(validation_alias=AliasPath("table", "id"))
    revision: int = Field(validation_alias=AliasPath("table", "revision"))
    method: str
    formula: str = Field(description="The formula of an edge's value, in words.")
    is_effect: bool = Field(
        description="Whether a value is signed, and positive helps; else it says how alike two tasks are, "
        "from 0 to 1, the same in both directions."
    )
    nodes: list[GraphNodeOut] = Field(description="One node per task, in the order of the tasks.")
    edges: Annotated[list[GraphEdgeOut], Asked] = Field(
        validation_alias="effects", description="Every known effect, the highest value first."
    )
    summary: Sentence = Field(description="What stands out from the noise, and how much is known.")
    warnings: list[str]
    budget_snt: float
    exact: SolutionOut
    clusterings: list[ClusteringOut] = Field(
        validation_alias="outcomes",
        description="Result of each clustering method; empty if no effect is known, and for very many tasks.",
    )
    sentence: Sentence = Field(
        description="Loss by clustering compared with the exact grouping, in a sentence."
    )
