"""Wide layout: a row per network, a column per task, blank where a task is not in the network.

    network,size,cost,depth,edges
    depth,1.0,1.0,0.1695,
    depth+edges,1.0,1.0,0.1748,0.0136

The order of the columns is free: ``network``, ``size`` and ``cost`` are found by their names, and further
inference costs by headings that begin with ``cost:``, such as ``cost:latency_ms``; every other column is a
task, also a second one of these names. The group of a network is the set of its non-blank columns. A task
of the group without a result is written ``nan``: it stays a member, and the network takes no part in solving.
The column ``network`` is a label and must agree with the row when it is written in the project's own notation
(task names joined by ``+``, with ``@size``).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.score_table import FloatArray, ScoreTable
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
from grouping.formats.doubts import SENTINELS
from grouping.formats.findings import Findings
from grouping.formats.report import Values

LEADING_COLUMNS = ("network", "size", "cost")
Split = Literal["validation", "test"]


def is_wide(header: Sequence[str]) -> bool:
    """Return whether these are headings of the wide layout."""
    return set(LEADING_COLUMNS) <= set(header)


@dataclass(frozen=True, slots=True)
class WideColumns:
    """Positions of the columns; further costs and tasks with their names, in the order of the file."""

    network: int
    size: int
    cost: int
    costs: tuple[tuple[str, int], ...]
    tasks: tuple[tuple[str, int], ...]
    n_columns: int

    @classmethod
    def of(cls, header: Sequence[str]) -> WideColumns:
        """Find the columns from the headings.

        Raises:
            InvalidInputError: if one is missing, named twice, or has no sound name.
        """
        if not is_wide(header):
            start = ", ".join(header[:4])[:80] or "an empty file"
            raise InvalidInputError(
                f"the file needs the columns {', '.join(LEADING_COLUMNS)} and one per task, separated by "
                f"commas, semicolons or tabs; it begins with {start}."
            )
        network, size, cost = (header.index(name) for name in LEADING_COLUMNS)
        others = [(parse_text(name), i) for i, name in enumerate(header) if i not in (network, size, cost)]
        costs = [(name.removeprefix(COST_PREFIX), i) for name, i in others if name.startswith(COST_PREFIX)]
        tasks = [(name, i) for name, i in others if not name.startswith(COST_PREFIX)]
        if not 1 <= len(tasks) <= MAX_TASKS:
            raise InvalidInputError(f"the table needs 1 to {MAX_TASKS:,} task columns; got {len(tasks):,}.")
        check_counts(other_costs=len(costs))
        for what, listed in (("cost", costs), ("task", tasks)):
            if len({check_name(name, what) for name, _ in listed}) != len(listed):
                raise InvalidInputError(f"a {what} column is named twice.")
        return cls(network, size, cost, tuple(costs), tuple(tasks), len(header))


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
        columns = WideColumns.of(header)
    except InvalidInputError as error:
        raise findings.error(str(error), at=findings.header_place) from error
    reader = _WideRows(columns, findings)
    for place, cells in rows:
        try:
            reader.add(place, cells)
        except GroupingError as error:
            raise findings.error(str(error), at=place) from error
    return reader.finish()


class _WideRows:
    """Collects rows; `finish` makes the table."""

    def __init__(self, columns: WideColumns, findings: Findings) -> None:
        self._columns = columns
        self._costs = tuple(name for name, _ in columns.costs)
        self._tasks = tuple(name for name, _ in columns.tasks)
        self._findings = findings
        self._networks: list[Network] = []
        self._positions: dict[NetworkKey, tuple[int, int]] = {}
        self._values = array("d")  # of the tasks of each network
        self._starts = [0]  # where those of each network begin
        self._other_costs = array("d")

    def add(self, place: int, cells: Sequence[Cell]) -> None:
        columns = self._columns
        if len(cells) != columns.n_columns:
            raise InvalidInputError(
                f"the line has {len(cells)} cells, the header {columns.n_columns}; "
                "write nothing between the commas for a task that is not in the network."
            )
        label = parse_text(cells[columns.network])
        values = [parse_number(cells[i], task) for task, i in columns.tasks]
        group = [task for task, value in zip(self._tasks, values, strict=True) if not math.isnan(value)]
        if not group:
            raise InvalidInputError(
                f"network {label[:80]!r} has no losses; write nan for a task of it whose result is missing."
            )
        network = Network(
            frozenset(group),
            require_number(cells[columns.size], "size"),
            require_number(cells[columns.cost], "cost"),
        )
        _check_label(label, network, self._tasks)
        costs = [require_number(cells[i], COST_PREFIX + name) for name, i in columns.costs]
        if self._is_repeated(place, network, costs, values):
            return
        for task, value in zip(self._tasks, values, strict=True):
            if math.isinf(value):
                self._findings.non_finite.add(self._findings.place(place, f"column {task}"))
        self._networks.append(network)
        self._values.extend(value for value in values if not math.isnan(value))
        check_counts(tasks=len(self._tasks), networks=len(self._networks), results=len(self._values))
        self._starts.append(len(self._values))
        self._other_costs.extend(costs)

    def _is_repeated(self, place: int, network: Network, costs: list[float], values: list[float]) -> bool:
        key = network.key
        n, earlier = self._positions.setdefault(key, (len(self._networks), place))
        if n == len(self._networks):
            return False
        n_costs = len(self._costs)
        before = self._values[self._starts[n] : self._starts[n + 1]].tolist()
        if (
            network != self._networks[n]
            or costs != list(self._other_costs[n * n_costs : (n + 1) * n_costs])
            or before != [value for value in values if not math.isnan(value)]
        ):
            raise InvalidInputError(
                f"network {network.name(self._tasks)} stands in the table more than once, with other numbers "
                f"in {self._findings.unit} {earlier}; results of several seeds need the long layout, and a "
                f"task that is not in the network a blank cell{_sentinel_hint(values)}."
            )
        self._findings.duplicates.add(self._findings.place(place, f"network {network.name(self._tasks)}"))
        return True

    def finish(self) -> RawTable:
        if not self._networks:
            raise self._findings.error("the table has a header but no networks.")
        n = len(self._networks)
        values = np.array(self._values).reshape(-1, 1)
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


def _sentinel_hint(values: Sequence[float]) -> str:
    """Return what should not stand for an absent task, if a row has a value that often does."""
    if any(map(math.isinf, values)):
        return ", not nan"
    number = next((value for value in values if value in SENTINELS), None)
    return "" if number is None else f", not {number:g}"


def _check_label(label: str, network: Network, tasks: tuple[str, ...]) -> None:
    """Refuse a label in the project's notation that names another group or size; any other is ignored."""
    stem, separator, size = label.partition("@")
    named = frozenset(stem.split("+"))
    if not named <= set(tasks):
        return
    if named != network.group:
        raise InvalidInputError(
            f"network {label[:80]!r} has losses for {', '.join(sorted(network.group))}; leave the cell of a "
            "task that is not in it blank, write nan for a task of it whose result is missing, and leave out "
            "columns that are no tasks, such as an index."
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
    losses: FloatArray = table.cell_losses if split == "validation" else table.cell_test_losses
    numbers = gains_to_losses(losses) if values == "gains" else losses
    costs = [f"{COST_PREFIX}{name}" for name in table.other_costs]
    yield [*LEADING_COLUMNS, *costs, *map(format_text, table.task_names)]
    cells = table.cells
    for n, network in enumerate(table.networks):
        written = [""] * len(table.tasks)
        own = cells.of_row(n)
        for t, number in zip(cells.columns[own].tolist(), numbers[own].tolist(), strict=True):
            written[t] = format_number(number) or NOT_FINITE_TEXT
        yield [
            format_text(network.name(table.task_names)),
            format_number(network.size),
            format_number(network.cost_snt),
            *(format_number(other[n]) for other in table.other_costs.values()),
            *written,
        ]
