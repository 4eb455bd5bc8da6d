"""Long layout: a row per network, task and seed. Long CSV, Parquet and long DataFrames share it.

    network,size,cost,cost:latency_ms,task,seed,validation_loss,test_loss
    depth+edges,1.0,1.0,7.5,depth,0,0.1748,0.1753
    depth+edges,1.0,1.0,7.5,edges,0,0.0136,

``network`` names the tasks of the group, joined by ``+``; ``@0.5`` after them is a size, which a column
``size`` may say more exactly. The order of the columns is free, and ``size``, ``cost``, ``seed``,
``test_loss`` and the further costs may be left out. Values that are gains stand in ``validation_gain`` and
``test_gain``. Tables of jobs are written with the values of the metrics, too, in ``validation_metric`` and
``test_metric``; they are not read.

A blank loss is not measured. Two kinds of row say only that something exists: one without a seed names a
network, and one without a network names a task. They are written where no other row says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.formats.assembly import COST_PREFIX, gains_to_losses
from grouping.formats.cells import Cell, format_text
from grouping.formats.delimited import write_lines
from grouping.formats.report import Values

_KNOWN = {"network", "size", "cost", "task", "seed", "validation_loss", "test_loss"}
METRIC_COLUMNS = ("validation_metric", "test_metric")
"""Headings of the values of metrics beside the losses; written, and not read."""
_KNOWN |= {"validation_gain", "test_gain", *METRIC_COLUMNS}


def value_columns(values: Values) -> tuple[str, str]:
    """Return the headings of the validation and the test values."""
    noun = "gain" if values == "gains" else "loss"
    return f"validation_{noun}", f"test_{noun}"


def is_long(header: Sequence[str]) -> bool:
    """Return whether these are headings of the long layout, of losses or of gains."""
    return {"network", "task"} <= set(header) and not {"validation_loss", "validation_gain"}.isdisjoint(
        header
    )


def is_known(heading: str) -> bool:
    """Return whether a column of this heading belongs to the layout."""
    return heading in _KNOWN or heading.startswith(COST_PREFIX)


def long_columns(
    table: ScoreTable, values: Values = "losses", metrics: ScoreTable | None = None
) -> dict[str, list[Cell]]:
    """Return the columns of the long layout by heading; None where a cell is blank.

    There is a row for each task of each network and each seed, measured or not; without any seeds, a row for
    each task of each network. Values of metrics have columns if any was measured.

    Args:
        table: the table.
        values: whether losses are written, or gains.
        metrics: values of the metrics in place of losses, of the same tasks, for networks and seeds of the
            table.
    """
    cells, n_rows = table.cells, max(len(table.seeds), 1)
    n, t = np.repeat(cells.rows, n_rows), np.repeat(cells.columns, n_rows)
    order = {name: place for place, name in enumerate(table.task_names)}
    names = [network.name(sorted(network.group, key=order.__getitem__)) for network in table.networks]
    seeds: list[Cell] = list(table.seeds) or [None]
    validation, test = (
        gains_to_losses(losses) if values == "gains" else losses
        for losses in (table.validation_scores, table.test_scores)
    )
    validation_name, test_name = value_columns(values)
    return {
        "network": [names[i] for i in n],
        "size": [table.networks[i].size for i in n],
        "cost": [table.networks[i].cost_snt for i in n],
        **{COST_PREFIX + name: costs[n].tolist() for name, costs in table.other_costs.items()},
        "task": [table.task_names[i] for i in t],
        "seed": seeds * (len(n) // n_rows),
        validation_name: _cells(validation) if table.seeds else [None] * len(n),
        test_name: _cells(test) if table.seeds else [None] * len(n),
        **({} if metrics is None else _metric_columns(table, metrics)),
    }


def _metric_columns(table: ScoreTable, metrics: ScoreTable) -> dict[str, list[Cell]]:
    """Return the columns of the metrics that any training measured, in the order of the rows of the table."""
    seeds = [table.seeds.index(seed) for seed in metrics.seeds]
    found: dict[str, list[Cell]] = {}
    for name, scores in zip(METRIC_COLUMNS, (metrics.validation_scores, metrics.test_scores), strict=True):
        if np.isnan(scores).all():
            continue
        placed = np.full(table.validation_scores.shape, np.nan)
        for n, network in enumerate(metrics.networks):
            row = table.find_position(*network.key)
            if row is not None:
                placed[table.cells.of_row(row), seeds] = scores[metrics.cells.of_row(n)]
        found[name] = _cells(placed)
    return found


def _cells(values: FloatArray) -> list[Cell]:
    return [None if math.isnan(value) else value for value in values.ravel().tolist()]


def write_long(
    table: ScoreTable, *, values: Values, delimiter: str, metrics: ScoreTable | None = None
) -> str:
    """Return the long layout as text: everything but the attributes of the tasks."""
    columns = long_columns(table, values, metrics)
    return write_lines(_long_rows(table, columns), delimiter)


def _long_rows(table: ScoreTable, columns: dict[str, list[Cell]]) -> Iterator[Sequence[str]]:
    yield list(columns)
    if tuple(dict.fromkeys(columns["task"])) != table.task_names:  # the rows would tell another order
        for name in table.task_names:
            yield [format_text(name) if column == "task" else "" for column in columns]
    for row in zip(*columns.values(), strict=True):
        yield [_format(cell) for cell in row]


def _format(cell: Cell) -> str:
    if cell is None:
        return ""
    return format_text(cell) if isinstance(cell, str) else repr(cell)
