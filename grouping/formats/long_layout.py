"""Long layout: a row per network, task and seed. Long CSV, Parquet and long DataFrames share it.

    network,size,cost,cost:latency_ms,task,seed,validation_loss,test_loss
    depth+edges,1.0,1.0,7.5,depth,0,0.1748,0.1753
    depth+edges,1.0,1.0,7.5,edges,0,0.0136,

``network`` names the tasks of the group, joined by ``+``; ``@0.5`` after them is a size, which a column
``size`` may say more exactly. The order of the columns is free, and ``size``, ``cost``, ``seed``,
``test_loss`` and the further costs may be left out. Values that are gains stand in ``validation_gain`` and
``test_gain``.

A blank loss is not measured. Two kinds of row say only that something exists: one without a seed names a
network, and one without a network names a task. They are written where no other row says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from grouping.domain.scores import FloatArray, ScoreTable
from grouping.formats.assembly import COST_PREFIX, gains_to_losses
from grouping.formats.cells import Cell, format_text
from grouping.formats.delimited import write_lines
from grouping.formats.report import Values

_KNOWN = {"network", "size", "cost", "task", "seed", "validation_loss", "test_loss"}
_KNOWN |= {"validation_gain", "test_gain"}


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


def long_columns(table: ScoreTable, values: Values = "losses") -> dict[str, list[Cell]]:
    """Return the columns of the long layout by heading; None where a cell is blank.

    There is a row for each task of each network and each seed, measured or not; without any seeds, a row for
    each task of each network.
    """
    n, t = np.nonzero(table.membership)
    n_rows = max(len(table.seeds), 1)
    names = [network.name(table.task_names) for network in table.networks]
    n, t = np.repeat(n, n_rows), np.repeat(t, n_rows)
    seeds: list[Cell] = list(table.seeds) or [None]
    validation, test = (
        gains_to_losses(losses) if values == "gains" else losses
        for losses in (table.validation_losses, table.test_losses)
    )
    validation_name, test_name = value_columns(values)
    return {
        "network": [names[i] for i in n],
        "size": [table.networks[i].size for i in n],
        "cost": [table.networks[i].cost_snt for i in n],
        **{COST_PREFIX + name: costs[n].tolist() for name, costs in table.other_costs.items()},
        "task": [table.task_names[i] for i in t],
        "seed": seeds * (len(n) // n_rows),
        validation_name: _cells(validation[table.membership]) if table.seeds else [None] * len(n),
        test_name: _cells(test[table.membership]) if table.seeds else [None] * len(n),
    }


def _cells(values: FloatArray) -> list[Cell]:
    return [None if math.isnan(value) else value for value in values.ravel().tolist()]


def write_long(table: ScoreTable, *, values: Values, delimiter: str) -> str:
    """Return the long layout as text: everything but the attributes of the tasks."""
    columns = long_columns(table, values)
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
