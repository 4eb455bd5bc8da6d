"""Reader of the long layout, which `grouping.formats.long_layout` describes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.tasks import Task, check_name
from grouping.errors import GroupingError, InvalidInputError
from grouping.formats.assembly import COST_PREFIX, RawTable, check_counts
from grouping.formats.cells import Cell, parse_integer, parse_number, parse_text, require_number
from grouping.formats.findings import Findings
from grouping.formats.limits import MAX_LISTED
from grouping.formats.long_layout import METRIC_COLUMNS, is_known, value_columns
from grouping.formats.report import Values

DEFAULT_SEED = 0
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LongColumns:
    """Positions of the columns; None where one is left out."""

    network: int
    size: int | None
    cost: int | None
    costs: tuple[tuple[str, int], ...]
    task: int
    seed: int | None
    validation: int
    test: int | None
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, header: Sequence[str], values: Values) -> LongColumns:
        """Find the columns from the headings.

        Raises:
            InvalidInputError: if one is missing, or the headings say another direction than `values`.
        """
        position = {name: i for i, name in enumerate(header)}
        if len(position) != len(header):
            twice = next(name for i, name in enumerate(header) if position[name] != i)
            raise InvalidInputError(f"the column {twice[:80]!r} stands in the header twice.")
        validation, test = value_columns(values)
        other, _ = value_columns("losses" if values == "gains" else "gains")
        if validation not in position and other in position:
            raise InvalidInputError(
                f"the column {other!r} contradicts that the values are {values}. Say what they are when "
                f"importing, or rename the column to {validation!r}."
            )
        for name in ("network", "task", validation):
            if name not in position:
                raise InvalidInputError(f"the column {name!r} is missing.")
        costs = tuple(
            (check_name(name.removeprefix(COST_PREFIX), "cost"), i)
            for i, name in enumerate(header)
            if name.startswith(COST_PREFIX)
        )
        check_counts(other_costs=len(costs))
        return cls(
            position["network"],
            position.get("size"),
            position.get("cost"),
            costs,
            position["task"],
            position.get("seed"),
            position[validation],
            position.get(test),
            tuple(name for name in header if not is_known(name)),
        )


def read_long(
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[Cell]]],
    values: Values,
    findings: Findings,
    *,
    tasks: Sequence[Task] = (),
) -> RawTable:
    """Read the long layout.

    Args:
        header: the headings.
        rows: place and cells of each row.
        values: whether the cells are losses or gains; must agree with the headings.
        findings: collects what is found.
        tasks: tasks that are known beforehand, in display order; others follow in the order they appear in.

    Raises:
        TableFormatError: if it is not such a table.
    """
    try:
        columns = LongColumns.of(header, values)
    except InvalidInputError as error:
        raise findings.error(str(error), at=findings.header_place) from error
    warn_of_ignored(columns.ignored, findings)
    if not set(METRIC_COLUMNS).isdisjoint(header):
        findings.notes.append("Not read: the values of metrics, which stand beside the losses.")
    reader = _LongRows(columns, len(header), findings, tasks)
    for place, cells in rows:
        try:
            reader.add(place, cells)
        except GroupingError as error:
            raise findings.error(str(error), at=place) from error
    return reader.finish()


def warn_of_ignored(headings: Sequence[str], findings: Findings) -> None:
    """Report the columns that do not belong to the layout."""
    if headings:
        listed = ", ".join(repr(name[:40]) for name in headings[:MAX_LISTED])
        findings.warnings.append(f"Columns that were not read: {listed}.")


class _LongRows:
    """Collects rows as indices into lists; `finish` makes the arrays."""

    def __init__(
        self, columns: LongColumns, n_columns: int, findings: Findings, tasks: Sequence[Task]
    ) -> None:
        self._columns = columns
        self._n_columns = n_columns
        self._findings = findings
        self._tasks = {task.name: task for task in tasks}
        self._task_index = {task.name: t for t, task in enumerate(tasks)}
        places = (columns.network, columns.size, columns.cost, *(i for _, i in columns.costs))
        self._key = itemgetter(*(i for i in places if i is not None))
        self._by_cells: dict[Cell | tuple[Cell, ...], int] = {}
        self._by_key: dict[NetworkKey, int] = {}
        self._networks: list[Network] = []
        self._other_costs: list[tuple[float, ...]] = []
        self._seed_index: dict[int, int] = {}
        self._index = array("q")  # network, task, seed and place of each result
        self._values = array("d")  # its validation and test value

    def add(self, place: int, cells: Sequence[Cell]) -> None:
        columns = self._columns
        if len(cells) != self._n_columns:
            raise InvalidInputError(f"the line has {len(cells)} cells, the header {self._n_columns}.")
        task = parse_text(cells[columns.task])
        n = self._by_cells.get(self._key(cells), -1)
        if not task:
            raise InvalidInputError("the column task is blank.")
        if n < 0 and not parse_text(cells[columns.network]):
            if any(cell not in (None, "") for i, cell in enumerate(cells) if i != columns.task):
                raise InvalidInputError("the column network is blank.")
            self._position_of(task)
            return
        n = self._network_of(cells) if n < 0 else n
        if task not in self._networks[n].group:
            raise InvalidInputError(
                f"task {task[:80]!r} is not in the network {parse_text(cells[columns.network])[:80]!r}: "
                "the column network names the tasks of the group, joined by +."
            )
        t = self._task_index.get(task, -1)
        t = self._position_of(task) if t < 0 else t
        validation = parse_number(cells[columns.validation], "validation value")
        test = math.nan if columns.test is None else parse_number(cells[columns.test], "test value")
        seed = DEFAULT_SEED if columns.seed is None else parse_integer(cells[columns.seed], "seed")
        if seed is None:
            if not (math.isnan(validation) and math.isnan(test)):
                raise InvalidInputError("the column seed is blank.")
            return
        if seed not in self._seed_index:
            check_counts(seeds=len(self._seed_index) + 1)
            self._seed_index[seed] = len(self._seed_index)
        s = self._seed_index[seed]
        if math.isinf(validation) or math.isinf(test):
            what = f"network {parse_text(cells[columns.network])}, task {task}, seed {seed}"
            self._findings.non_finite.add(self._findings.place(place, what))
        self._index.extend((n, t, s, place))
        self._values.extend((validation, test))

    def _position_of(self, task: str) -> int:
        if task not in self._tasks:
            self._tasks[task] = Task(task)
            self._task_index[task] = len(self._task_index)
            check_counts(tasks=len(self._tasks))
        return self._task_index[task]

    def _network_of(self, cells: Sequence[Cell]) -> int:
        """Return the row of the network of these cells, which is new or was written otherwise before."""
        columns = self._columns
        places = (columns.network, columns.size, columns.cost, *(i for _, i in columns.costs))
        known = tuple(None if i is None else cells[i] for i in places)
        label = parse_text(known[0])
        network = Network.parse(label)
        size = parse_number(known[1], "size")
        if not math.isnan(size):
            if "@" in label and f"{size:g}" != f"{network.size:g}":  # a name carries six digits
                raise InvalidInputError(f"network {label[:80]!r} has the size {size:g}.")
            network = Network(network.group, size, size)
        cost = parse_number(known[2], "cost")
        if not math.isnan(cost):
            network = replace(network, cost_snt=cost)
        costs = tuple(
            require_number(cell, COST_PREFIX + name)
            for (name, _), cell in zip(columns.costs, known[3:], strict=True)
        )
        n = self._by_key.setdefault(network.key, len(self._networks))
        if n == len(self._networks):
            check_counts(networks=n + 1)
            self._networks.append(network)
            self._other_costs.append(costs)
        elif (self._networks[n], self._other_costs[n]) != (network, costs):
            raise InvalidInputError(f"network {label[:80]!r} has another cost than in an earlier row.")
        self._by_cells[self._key(cells)] = n
        return n

    def finish(self) -> RawTable:
        if not self._networks:
            raise self._findings.error("the table has no networks.")
        try:
            for network in self._networks:
                for task in sorted(network.group - self._tasks.keys()):
                    self._position_of(task)
            cells = TableCells.of(list(self._tasks), self._networks)
            shape = (cells.n_cells, len(self._seed_index))
            check_counts(
                networks=cells.n_networks, tasks=cells.n_tasks, seeds=shape[1], results=math.prod(shape)
            )
        except InvalidInputError as error:
            raise self._findings.error(str(error)) from error
        index = np.array(self._index, dtype=np.int64).reshape(-1, 4)
        values = np.array(self._values).reshape(-1, 2)
        place = cells.places(index[:, 0], index[:, 1])
        self._merge_duplicates(index, values, place * max(1, shape[1]) + index[:, 2])
        filled = np.full((2, *shape), np.nan)
        filled[:, place, index[:, 2]] = values.T
        costs = np.array(self._other_costs, dtype=np.float64).reshape(
            len(self._networks), len(self._columns.costs)
        )
        return RawTable(
            tuple(self._tasks.values()),
            tuple(self._networks),
            tuple(self._seed_index),
            filled[0],
            filled[1],
            {name: costs[:, i] for i, (name, _) in enumerate(self._columns.costs)},
            has_seeds=self._columns.seed is not None,
        )

    def _merge_duplicates(self, index: IntArray, values: FloatArray, cell: IntArray) -> None:
        """Report results that occur twice; refuse those that differ.

        Args:
            index: ``[rows, 4]``.
            values: ``[rows, 2]``.
            cell: ``[rows]``, the same number for results of the same network, task and seed.
        """
        if not len(index):
            return
        order = np.argsort(cell, kind="stable")
        is_repeated = np.diff(cell[order]) == 0
        first, second = order[:-1][is_repeated], order[1:][is_repeated]
        is_equal = (values[first] == values[second]) | (np.isnan(values[first]) & np.isnan(values[second]))
        for i in np.flatnonzero(~is_equal.all(axis=1)):
            raise self._findings.error(
                f"{self._cell_name(index[second[i]])} has other results than in {self._findings.unit} "
                f"{index[first[i], 3]}.",
                at=int(index[second[i], 3]),
            )
        for i in second[:MAX_LISTED]:
            self._findings.duplicates.add(self._findings.place(int(index[i, 3]), self._cell_name(index[i])))
        self._findings.duplicates.count += max(0, len(second) - MAX_LISTED)

    def _cell_name(self, index: IntArray) -> str:
        n, t, s, _ = index.tolist()
        return f"network {self._networks[n]}, task {list(self._tasks)[t]}, seed {list(self._seed_index)[s]}"
