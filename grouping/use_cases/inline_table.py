"""Conversion of score tables from the simple JSON form."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.formats import ImportedTable
from grouping.formats.assembly import check_counts
from grouping.formats.findings import Findings
from grouping.formats.report import make_report
from grouping.wire.imports import InlineTable, Losses


def import_inline(inline: InlineTable, values: Literal["losses", "gains"]) -> ImportedTable:
    """Build a score table from the simple JSON form, with a report of what was read.

    Args:
        inline: the simple form, each field of which is valid by itself.
        values: whether the numbers are losses, or gains that become losses as ``1 - gain``.

    Raises:
        InvalidInputError: if a network, a cell or a weight is invalid; the pointer gives its place.
    """
    networks = tuple(_network(inline, position) for position in range(len(inline.networks)))
    names = inline.tasks or list(dict.fromkeys(t for n in inline.networks for t in _named(n.network)))
    known = frozenset(names)
    for position, network in enumerate(networks):
        if network.group - known:
            raise InvalidInputError(
                f"Network {network} has a task that is not among the tasks of the table.",
                pointer=f"/networks/{position}/network",
            )
    n_seeds = max(
        len(cell) if isinstance(cell, list) else 1
        for item in inline.networks
        for cell in (*item.losses.values(), *item.test_losses.values(), None)
    )
    cells = TableCells.of(names, networks)
    check_counts(results=cells.n_cells * n_seeds)
    validation = np.full((cells.n_cells, n_seeds), np.nan)
    test = validation.copy()
    for n, item in enumerate(inline.networks):
        own = cells.of_row(n)
        place = {names[t]: e for e, t in enumerate(cells.columns[own].tolist())}
        _fill(inline, validation[own], item.losses, place, n, "losses")
        _fill(inline, test[own], item.test_losses, place, n, "test_losses")
    if values == "gains":
        validation, test = 1.0 - validation, 1.0 - test
    tasks = tuple(Task(name, weight=inline.weights.get(name, 1.0)) for name in names)
    if unknown := set(inline.weights) - set(names):
        raise InvalidInputError(
            f"Weights for unknown tasks: {', '.join(sorted(unknown))}.", pointer="/weights"
        )
    table = ScoreTable(
        tasks, networks, tuple(range(n_seeds)), validation, test, other_costs=_other_costs(inline)
    )
    return ImportedTable(table, make_report(table, "json", values, Findings(), has_seeds=False))


def _network(inline: InlineTable, position: int) -> Network:
    item = inline.networks[position]
    try:
        network = Network.parse(item.network)
        return network if item.cost_snt is None else Network(network.group, network.size, item.cost_snt)
    except InvalidInputError as error:
        error.pointer = f"/networks/{position}/network"
        raise


def _fill(
    inline: InlineTable, scores: FloatArray, losses: Losses, place: dict[str, int], n: int, field: str
) -> None:
    for task, cell in losses.items():
        if task not in place:
            raise InvalidInputError(
                f"Network {inline.networks[n].network[:80]} is not trained on {task!r}.",
                pointer=f"/networks/{n}/{field}",
            )
        found = cell if isinstance(cell, list) else [cell]
        scores[place[task], : len(found)] = [math.nan if value is None else value for value in found]


def _other_costs(inline: InlineTable) -> dict[str, FloatArray]:
    names = list(inline.networks[0].costs)
    for position, item in enumerate(inline.networks):
        if set(item.costs) != set(names):
            raise InvalidInputError(
                "Every network needs the same further costs.", pointer=f"/networks/{position}/costs"
            )
    return {name: np.array([item.costs[name] for item in inline.networks]) for name in names}


def _named(network: str) -> list[str]:
    return network.partition("@")[0].split("+")
