"""Imported score tables: the simple form in JSON, and what was understood of a file."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field

from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.formats import ImportedTable
from grouping.formats.findings import Findings
from grouping.formats.limits import MAX_OTHER_COSTS, MAX_SEEDS
from grouping.formats.report import make_report
from grouping_api.schemas.common import Input, Output
from grouping_api.schemas.requests import MAX_TASKS, Name
from grouping_api.schemas.solving import NetworkName

MAX_INLINE_NETWORKS = 20_000

Number = Annotated[float, Field(ge=-1e300, le=1e300)]
BySeed = Annotated[list[Number | None], Field(min_length=1, max_length=MAX_SEEDS)]
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
    """A network and what it scored."""

    network: NetworkName = Field(description="Such as `depth+edges@0.5`: its tasks, and its size unless 1.")
    losses: Losses = Field(
        description="For each task a number, or one for each seed; null where there is none. Lower is better."
    )
    test_losses: Losses = Field(default_factory=dict, description="The same on test data; only reported.")
    cost_snt: Size | None = Field(
        default=None, description="In standard network times; its size if left out."
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
    weights: Annotated[dict[Name, Annotated[float, Field(gt=0, le=1e6)]], Field(max_length=MAX_TASKS)] = (
        Field(default_factory=dict, description="Weights of tasks in the total loss; 1 if left out.")
    )

    @staticmethod
    def is_meant(document: object) -> bool:
        """Whether a document is this form rather than the project's own file format."""
        return isinstance(document, dict) and "format" not in document

    def to_domain(self, values: Literal["losses", "gains"]) -> ImportedTable:
        """The table, and what was understood.

        Args:
            values: whether the numbers are losses, or gains that become losses as ``1 - gain``.

        Raises:
            InvalidInputError: if a network or a cell makes no sense; points at it.
        """
        networks = tuple(self._network(position) for position in range(len(self.networks)))
        names = self.tasks or list(dict.fromkeys(t for n in self.networks for t in _named(n.network)))
        column = {name: t for t, name in enumerate(names)}
        for position, network in enumerate(networks):
            if network.group - set(column):
                raise InvalidInputError(
                    f"Network {network} has a task that is not among the tasks of the table.",
                    pointer=f"/networks/{position}/network",
                )
        n_seeds = max(
            len(cell) if isinstance(cell, list) else 1
            for item in self.networks
            for cell in (*item.losses.values(), *item.test_losses.values(), None)
        )
        validation = np.full((len(networks), len(names), n_seeds), np.nan)
        test = validation.copy()
        for n, item in enumerate(self.networks):
            self._fill(validation[n], item.losses, column, n, "losses")
            self._fill(test[n], item.test_losses, column, n, "test_losses")
        if values == "gains":
            validation, test = 1.0 - validation, 1.0 - test
        tasks = tuple(Task(name, weight=self.weights.get(name, 1.0)) for name in names)
        if unknown := set(self.weights) - set(names):
            raise InvalidInputError(
                f"Weights for unknown tasks: {', '.join(sorted(unknown))}.", pointer="/weights"
            )
        table = ScoreTable(tasks, networks, tuple(range(n_seeds)), validation, test, self._other_costs())
        return ImportedTable(table, make_report(table, "json", values, Findings()))

    def _network(self, position: int) -> Network:
        item = self.networks[position]
        try:
            network = Network.parse(item.network)
            return network if item.cost_snt is None else Network(network.group, network.size, item.cost_snt)
        except InvalidInputError as error:
            error.pointer = f"/networks/{position}/network"
            raise

    def _fill(self, row: FloatArray, losses: Losses, column: dict[str, int], n: int, field: str) -> None:
        group = set(_named(self.networks[n].network))
        for task, cell in losses.items():
            if task not in group:
                raise InvalidInputError(
                    f"Network {self.networks[n].network[:80]} is not trained on {task!r}.",
                    pointer=f"/networks/{n}/{field}",
                )
            found = cell if isinstance(cell, list) else [cell]
            row[column[task], : len(found)] = [math.nan if value is None else value for value in found]

    def _other_costs(self) -> dict[str, FloatArray]:
        names = list(self.networks[0].costs)
        for position, item in enumerate(self.networks):
            if set(item.costs) != set(names):
                raise InvalidInputError(
                    "Every network needs the same further costs.", pointer=f"/networks/{position}/costs"
                )
        return {name: np.array([item.costs[name] for item in self.networks]) for name in names}


def _named(network: str) -> list[str]:
    return network.partition("@")[0].split("+")


class ImportReportOut(Output):
    """What was understood of an imported score table, and what is missing. Counts are complete."""

    sentences: list[str] = Field(description="The report in words, the most important first.")
    format: str
    values: str = Field(description="`losses`, or `gains`, which became losses as 1 - gain.")
    n_networks: int
    n_seeds: int
    n_missing_groups: int
    missing_groups: list[str] = Field(description="The first of them, smaller ones first.")
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

    @classmethod
    def of(cls, report: Any) -> Self | None:
        """From what the store holds; None where nothing was kept."""
        return None if report is None else cls(**{name: report[name] for name in cls.model_fields})
