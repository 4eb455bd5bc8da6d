"""Imported score tables: the simple form in JSON, and the report on how a file was understood."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from grouping.domain.tasks import MAX_TASKS
from grouping.formats.limits import MAX_LOSS, MAX_OTHER_COSTS, MAX_TABLE_SEEDS
from grouping.wire.base_types import Input, Output
from grouping.wire.constraints import NetworkName
from grouping.wire.requests import Name
from grouping.wire.solving import Weights

MAX_INLINE_NETWORKS = 20_000

Number = Annotated[float, Field(ge=-MAX_LOSS, le=MAX_LOSS)]
BySeed = Annotated[list[Number | None], Field(min_length=1, max_length=MAX_TABLE_SEEDS)]
Losses = Annotated[dict[Name, Number | BySeed | None], Field(max_length=MAX_TASKS)]
Size = Annotated[float, Field(gt=0, le=1e6)]

INLINE_EXAMPLE: dict[str, Any] = {
    "networks": [
        {"network": "depth@0.5", "losses": {"depth": 0.174}},
        {"network": "edges@0.5", "losses": {"edges": 0.0151}},
        {"network": "depth+edges", "losses": {"depth": [0.175, 0.177], "edges": [0.0136, 0.0138]}},
    ],
}


class InlineNetwork(Input):
    """A network and its losses."""

    network: NetworkName = Field(
        description="Name such as `depth+edges@0.5`: its tasks, and its size unless 1."
    )
    losses: Losses = Field(
        description="For each task a number, or one for each seed; null where there is none. Lower is better."
    )
    test_losses: Losses = Field(
        default_factory=dict, description="Losses on test data in the same form; only reported."
    )
    cost_snt: Size | None = Field(
        default=None, description="Inference cost in standard network times; its size if left out."
    )
    costs: Annotated[
        dict[Name, Annotated[float, Field(ge=0, le=1e300)]], Field(max_length=MAX_OTHER_COSTS)
    ] = Field(default_factory=dict, description="Further inference costs, such as `latency_ms`.")


class InlineTable(Input):
    """A score table in simple JSON, of at most 1 MiB."""

    networks: list[InlineNetwork] = Field(min_length=1, max_length=MAX_INLINE_NETWORKS)
    tasks: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TASKS,
        description="The tasks in display order; in the order in which networks name them if left out.",
    )
    weights: Weights = Field(
        default_factory=dict, description="Weights of tasks in the total loss; 1 if left out."
    )


class ImportReportOut(Output):
    """Report on an imported score table: how it was understood, and what is missing. Counts are complete."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    sentences: list[str] = Field(description="The report in words, the most important first.")
    format: str
    values: str = Field(description="`losses`, or `gains`, which became losses as 1 - gain.")
    n_networks: int
    n_seeds: int
    n_missing_groups: int
    missing_groups: list[str] = Field(description="Some of the missing groups, smaller ones first.")
    n_incomplete_networks: int = Field(
        description="Networks without a loss for some task; no solve uses them."
    )
    incomplete_networks: list[str]
    n_non_finite_cells: int
    non_finite_cells: list[str]
    n_duplicates: int
    duplicates: list[str]
    uncovered_tasks: list[str] = Field(description="Tasks that no complete network has.")
    warnings: list[str]
    findings: list[str] = Field(
        default_factory=list,
        description="Sentences about what changes the answer of a solve, such as networks that take no part; "
        "some of `sentences`.",
    )
