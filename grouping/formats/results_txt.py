"""Format ``results.txt``: the headerless file of the paper's published code.

Standley et al. (ICML 2020) keep their score tables in files that the function `get_model_performances` of
``network_selection/main.cpp`` reads (github.com/tstandley/taskgrouping, commit 077e842):

- Cells are separated by tabs; each line has a cell per task, and a blank cell is a task outside the network.
  No line, and no column, names tasks, networks, sizes, costs or seeds.
- The first line holds the single-task networks of half size, one in each cell. They cost 0.5.
- Each further line is one network of full size, which costs 1.
- Inside that program an absent loss is 99, so a cell with this number is an absent one there, and here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import GroupingError, InvalidInputError
from grouping.formats.assembly import RawTable, check_counts, gains_to_losses
from grouping.formats.cells import NOT_FINITE_TEXT, Cell, format_number, parse_number
from grouping.formats.findings import Findings
from grouping.formats.report import Values
from grouping.formats.wide_csv import LEADING_COLUMNS, Split, read_wide

HALF_SIZE = 0.5
ABSENT_LOSS = 99.0


def looks_like_results(line: str) -> bool:
    """Return whether a first line has this format: tabs, and nothing but numbers between them."""
    cells = line.split("\t")
    try:
        return len(cells) > 1 and all(parse_number(cell, "") is not None for cell in cells)
    except InvalidInputError:
        return False


def read_results(lines: Sequence[str], task_names: Sequence[str] | None, findings: Findings) -> RawTable:
    """Read a ``results.txt``.

    Args:
        lines: the lines.
        task_names: names of the tasks, in the order of the columns; ``task 1``, ``task 2``, ... unless given.
        findings: collects what is found.

    Raises:
        TableFormatError: if it is not such a file.
    """
    n_tasks = lines[0].count("\t") + 1
    names = list(task_names or [f"task {t}" for t in range(1, n_tasks + 1)])
    try:
        check_counts(tasks=n_tasks)
        if len(names) != n_tasks:
            raise InvalidInputError(f"the first line has {n_tasks} cells, but {len(names)} tasks were named.")
    except InvalidInputError as error:
        raise findings.error(str(error), at=1) from error
    if task_names is None:
        findings.notes.append(
            f"The file names no tasks: they are called {names[0]} to {names[-1]}, in its order."
        )
    return read_wide([*LEADING_COLUMNS, *names], _as_wide(lines, n_tasks, findings), findings)


def _as_wide(lines: Sequence[str], n_tasks: int, findings: Findings) -> Iterator[tuple[int, Sequence[Cell]]]:
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            cells = [_absent_or_as_written(cell) for cell in line.split("\t")]
            if len(cells) != n_tasks:
                raise InvalidInputError(
                    f"the line has {len(cells)} cells, the first line {n_tasks}; tabs at the ends of a line "
                    "count, so do not strip them."
                )
        except GroupingError as error:
            raise findings.error(str(error), at=number) from error
        if number > 1:
            yield number, ["", 1.0, 1.0, *cells]
            continue
        for t, cell in enumerate(cells):
            if cell:
                yield number, ["", HALF_SIZE, HALF_SIZE, *("" if i != t else cell for i in range(n_tasks))]


def _absent_or_as_written(cell: str) -> str:
    return "" if parse_number(cell, "loss") == ABSENT_LOSS else cell.strip()


def write_results(table: ScoreTable, *, split: Split, values: Values) -> str:
    """Return the table in this format: means over the seeds, exact to the last digit.

    The half-size networks come first, in the order of the tasks, whatever their place in the table.

    Raises:
        InvalidInputError: if the table has networks, costs or losses that the format cannot hold.
    """
    losses = table.cell_losses if split == "validation" else table.cell_test_losses
    numbers = gains_to_losses(losses) if values == "gains" else losses
    first = [""] * len(table.tasks)
    lines = []
    for n, network in enumerate(table.networks):
        cells = [""] * len(table.tasks)
        own = table.cells.of_row(n)
        for place, number in zip(table.cells.columns[own].tolist(), numbers[own].tolist(), strict=True):
            cells[place] = format_number(number) or NOT_FINITE_TEXT
        if (network.size, network.cost_snt, len(network.group)) == (HALF_SIZE, HALF_SIZE, 1):
            (name,) = network.group
            t = table.task_names.index(name)
            first[t] = cells[t]
        elif (network.size, network.cost_snt) == (1.0, 1.0):
            lines.append("\t".join(cells))
        else:
            raise _unwritable(f"network {network} of size {network.size:g} and cost {network.cost_snt:g}")
    if np.any(numbers == ABSENT_LOSS):
        raise _unwritable(f"a value of {ABSENT_LOSS:g}, which it takes for an absent one")
    return "".join(f"{line}\n" for line in ("\t".join(first), *lines))


def _unwritable(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"results.txt holds single-task networks of size and cost 0.5 and any of size and cost 1; it cannot "
        f"hold {what}. Choose another format."
    )
