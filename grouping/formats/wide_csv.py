"""Wide layout: a row per network, a column per task, blank where a task is not in the network.

    network,size,cost,depth,edges
    depth,1.0,1.0,0.1695,
    depth+edges,1.0,1.0,0.1748,0.0136

Columns for further inference costs may stand before the tasks; their headings begin with ``cost:``, such as
``cost:latency_ms``. The group of a network is the set of its non-blank columns. A task of the group without a
result is written ``nan``: it stays a member, and the network takes no part in solving. The column ``network``
is a label and must agree with the row when it is written in the project's own notation (task names joined
by ``+``, with ``@size``).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import MAX_TASKS, Task, check_name
from grouping.errors import GroupingError, InvalidInputError
from grouping.formats.assembly import COST_PREFIX, RawTable, check_counts, gains_to_losses
from grouping.formats.cells import (
    NOT_FINITE_TEXT,
    Cell,
    format_number,
    format_text,
    parse_number,
    parse_text,
    require_number,
)
from grouping.formats.delimited import write_lines
from grouping.formats.findings import Findings
from grouping.formats.report import Values

LEADING_COLUMNS = ("network", "size", "cost")
Split = Literal["validation", "test"]


def read_wide(
    header: Sequence[str], rows: Iterable[tuple[int, Sequence[Cell]]], findings: Findings
) -> RawTable:
    """Read the wide layout.

    Args:
        header: the headings.
        rows: place and cells of each row.
        findings: collects what is found.

    Returns:
        The table with one seed, 0, and no test values.

    Raises:
        TableFormatError: if it is not such a table.
    """
    try:
        costs, tasks = _check_header(header)
    except InvalidInputError as error:
        raise findings.error(str(error), at=findings.header_place) from error
    reader = _WideRows(costs, tasks, findings)
    for place, cells in rows:
        try:
            reader.add(place, cells)
        except GroupingError as error:
            raise findings.error(str(error), at=place) from error
    return reader.finish()


def _check_header(header: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the further costs and of the tasks."""
    if tuple(header[:3]) != LEADING_COLUMNS:
        start = ", ".join(header[:4])[:80] or "an empty file"
        raise InvalidInputError(
            f"the file must begin with the columns {', '.join(LEADING_COLUMNS)} and then one per task, "
            f"separated by commas; got {start}."
        )
    names = [parse_text(cell) for cell in header[3:]]
    n_costs = next((i for i, name in enumerate(names) if not name.startswith(COST_PREFIX)), len(names))
    costs = tuple(check_name(name.removeprefix(COST_PREFIX), "cost") for name in names[:n_costs])
    tasks = tuple(names[n_costs:])
    if not 1 <= len(tasks) <= MAX_TASKS:
        raise InvalidInputError(f"the table needs 1 to {MAX_TASKS} task columns; got {len(tasks)}.")
    check_counts(other_costs=len(costs))
    for name in tasks:
        check_name(name, "task")
        if name.startswith(COST_PREFIX):
            raise InvalidInputError(f"the column {name!r} must stand before the columns of the tasks.")
    for what, listed in (("task", tasks), ("cost", costs)):
        if len(set(listed)) != len(listed):
            raise InvalidInputError(f"a {what} column is named twice.")
    return costs, tasks


class _WideRows:
    """Collects rows; `finish` makes the table."""

    def __init__(self, costs: tuple[str, ...], tasks: tuple[str, ...], findings: Findings) -> None:
        self._costs = costs
        self._tasks = tasks
        self._findings = findings
        self._networks: list[Network] = []
        self._positions: dict[NetworkKey, tuple[int, int]] = {}
        self._values = array("d")
        self._other_costs = array("d")

    def add(self, place: int, cells: Sequence[Cell]) -> None:
        n_leading = len(LEADING_COLUMNS) + len(self._costs)
        expected = n_leading + len(self._tasks)
        if len(cells) != expected:
            raise InvalidInputError(
                f"the line has {len(cells)} cells, the header {expected}; "
                "write nothing between the commas for a task that is not in the network."
            )
        label = parse_text(cells[0])
        values = [parse_number(cell, task) for cell, task in zip(cells[n_leading:], self._tasks, strict=True)]
        group = [task for task, value in zip(self._tasks, values, strict=True) if not math.isnan(value)]
        if not group:
            raise InvalidInputError(
                f"network {label[:80]!r} has no losses; write nan for a task of it whose result is missing."
            )
        network = Network(
            frozenset(group), require_number(cells[1], "size"), require_number(cells[2], "cost")
        )
        _check_label(label, network, self._tasks)
        costs = [
            require_number(cell, COST_PREFIX + name)
            for cell, name in zip(cells[len(LEADING_COLUMNS) : n_leading], self._costs, strict=True)
        ]
        if self._is_repeated(place, network, costs, values):
            return
        for task, value in zip(self._tasks, values, strict=True):
            if math.isinf(value):
                self._findings.non_finite.add(self._findings.place(place, f"column {task}"))
        self._networks.append(network)
        check_counts(tasks=len(self._tasks), networks=len(self._networks))
        self._values.extend(values)
        self._other_costs.extend(costs)

    def _is_repeated(self, place: int, network: Network, costs: list[float], values: list[float]) -> bool:
        key = network.key
        n, earlier = self._positions.setdefault(key, (len(self._networks), place))
        if n == len(self._networks):
            return False
        width, n_costs = len(self._tasks), len(self._costs)
        if (
            network != self._networks[n]
            or costs != list(self._other_costs[n * n_costs : (n + 1) * n_costs])
            or not np.array_equal(self._values[n * width : (n + 1) * width], values, equal_nan=True)
        ):
            raise InvalidInputError(
                f"network {network.name(self._tasks)} stands in the table more than once, with other numbers "
                f"in {self._findings.unit} {earlier}; results of several seeds need the long layout."
            )
        self._findings.duplicates.add(self._findings.place(place, f"network {network.name(self._tasks)}"))
        return True

    def finish(self) -> RawTable:
        if not self._networks:
            raise self._findings.error("the table has a header but no networks.")
        n = len(self._networks)
        values = np.array(self._values).reshape(n, len(self._tasks), 1)
        costs = np.array(self._other_costs).reshape(n, len(self._costs))
        return RawTable(
            tuple(Task(name) for name in self._tasks),
            tuple(self._networks),
            (0,),
            values,
            np.full_like(values, np.nan),
            {name: costs[:, i] for i, name in enumerate(self._costs)},
            has_seeds=False,
        )


def _check_label(label: str, network: Network, tasks: tuple[str, ...]) -> None:
    """Refuse a label in the project's notation that names another group or size; any other is ignored."""
    stem, separator, size = label.partition("@")
    named = frozenset(stem.split("+"))
    if not named <= set(tasks):
        return
    if named != network.group:
        raise InvalidInputError(
            f"network {label[:80]!r} has losses for {', '.join(sorted(network.group))}; "
            "write nan for a task of it whose result is missing."
        )
    # A name carries the size to six digits.
    if separator and f"{parse_number(size, 'network'):g}" != f"{network.size:g}":
        raise InvalidInputError(f"network {label[:80]!r} has the size {network.size:g}.")


def write_wide(table: ScoreTable, *, split: Split, values: Values, delimiter: str) -> str:
    """Return the wide layout as text: means over the seeds, exact to the last digit.

    A loss that a network lacks, validation or test, is written ``nan``, so that its group stays the same.

    Raises:
        InvalidInputError: if a task's name begins like the heading of a further cost.
    """
    for name in table.task_names:
        if name.startswith(COST_PREFIX):
            raise InvalidInputError(f"The wide layout cannot hold a task named {name!r}; write a long table.")
    return write_lines(_wide_rows(table, split, values), delimiter)


def _wide_rows(table: ScoreTable, split: Split, values: Values) -> Iterator[Sequence[str]]:
    losses: FloatArray = table.validation if split == "validation" else table.test
    numbers = gains_to_losses(losses) if values == "gains" else losses
    costs = [f"{COST_PREFIX}{name}" for name in table.other_costs]
    yield [*LEADING_COLUMNS, *costs, *map(format_text, table.task_names)]
    for n, network in enumerate(table.networks):
        yield [
            format_text(network.name(table.task_names)),
            format_number(network.size),
            format_number(network.cost_snt),
            *(format_number(other[n]) for other in table.other_costs.values()),
            *(
                (format_number(number) or NOT_FINITE_TEXT) if is_member else ""
                for number, is_member in zip(numbers[n].tolist(), table.membership[n].tolist(), strict=True)
            ),
        ]
