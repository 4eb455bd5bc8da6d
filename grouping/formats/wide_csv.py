"""The wide CSV: a row per network, a column per task, blank where a task is not in the network.

    network,size,cost,depth,edges
    depth,1.0,1.0,0.1695,
    depth+edges,1.0,1.0,0.1748,0.0136

The group of a network is the set of its non-blank columns; the column ``network`` is a label and must
agree with it when it is written in the project's own notation (task names joined by ``+``, with ``@size``).
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import GroupingError, InvalidInputError, TableFormatError

LEADING_COLUMNS = ("network", "size", "cost")
MAX_BYTES = 32 * 2**20
MAX_TASKS = 200
Values = Literal["losses", "gains"]


def read_wide_csv(
    path: Path | str, test_path: Path | str | None = None, *, values: Values = "losses"
) -> ScoreTable:
    """Read a score table from a wide CSV file.

    Args:
        path: validation losses (or gains).
        test_path: test losses of the same networks and tasks, if known.
        values: ``losses`` (lower is better) are taken as they are; ``gains`` (higher is better) become
            losses as ``1 - gain``.

    Raises:
        TableFormatError: if a file cannot be read or is not such a table; says where and what to do.
    """
    path = Path(path)
    tasks, networks, validation = _read(path, values)
    test = np.full_like(validation, np.nan)
    if test_path is not None:
        test_path = Path(test_path)
        test_tasks, test_networks, test = _read(test_path, values)
        if (test_tasks, test_networks) != (tasks, networks):
            raise TableFormatError(
                f"{test_path.name} must list the same tasks and networks, in the same order, as {path.name}."
            )
    try:
        return ScoreTable(
            tuple(Task(name) for name in tasks), networks, (0,), validation[:, :, None], test[:, :, None]
        )
    except InvalidInputError as error:
        raise TableFormatError(f"{path.name}: {error}") from error


def write_wide_csv(table: ScoreTable, *, split: Literal["validation", "test"] = "validation") -> str:
    """Text of the wide CSV of a table: means over seeds, exact to the last digit."""
    losses = table.validation if split == "validation" else table.test
    frame = pd.DataFrame(losses, columns=list(table.task_names))
    frame.insert(0, "network", [network.name(table.task_names) for network in table.networks])
    frame.insert(1, "size", [network.size for network in table.networks])
    frame.insert(2, "cost", [network.cost_snt for network in table.networks])
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _read(path: Path, values: Values) -> tuple[tuple[str, ...], tuple[Network, ...], FloatArray]:
    reader = csv.reader(io.StringIO(_read_text(path)), strict=True)
    networks: list[Network] = []
    rows: list[list[float]] = []
    try:
        tasks = _check_header(next(reader, []), path)
        for record in reader:
            if record:
                network, losses = _parse_row(record, tasks, values)
                networks.append(network)
                rows.append(losses)
    except csv.Error as error:
        message = f"{path.name} is not a well-formed CSV file: {error}."
        raise TableFormatError(message, line=reader.line_num) from error
    except GroupingError as error:
        raise TableFormatError(f"{path.name}: {error}", line=reader.line_num) from error
    if not networks:
        raise TableFormatError(f"{path.name} has a header but no networks.")
    return tasks, tuple(networks), np.array(rows, dtype=np.float64)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableFormatError(f"{path.name} is larger than {MAX_BYTES // 2**20} MiB.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableFormatError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TableFormatError(f"{path.name} is not UTF-8 text (byte {error.start}).") from error
    if "\0" in text:
        raise TableFormatError(f"{path.name} holds NUL bytes: it is not a text file.")
    return text


def _check_header(header: list[str], path: Path) -> tuple[str, ...]:
    if tuple(header[:3]) != LEADING_COLUMNS:
        start = ", ".join(header[:4])[:80] or "an empty file"
        raise TableFormatError(
            f"the file must begin with the columns {', '.join(LEADING_COLUMNS)} and then one per task, "
            f"separated by commas; got {start}."
        )
    tasks = tuple(header[3:])
    if not tasks or len(tasks) > MAX_TASKS:
        raise TableFormatError(f"the table needs 1 to {MAX_TASKS} task columns; got {len(tasks)}.")
    if len(set(tasks)) != len(tasks):
        raise TableFormatError("a task column is named twice.")
    return tasks


def _parse_row(record: list[str], tasks: tuple[str, ...], values: Values) -> tuple[Network, list[float]]:
    if len(record) != len(LEADING_COLUMNS) + len(tasks):
        raise TableFormatError(
            f"the line has {len(record)} cells, the header {len(LEADING_COLUMNS) + len(tasks)}; "
            "write nothing between the commas for a task that is not in the network."
        )
    label, size, cost, *cells = record
    numbers = [_parse_number(cell, task) for cell, task in zip(cells, tasks, strict=True)]
    group = frozenset(task for task, number in zip(tasks, numbers, strict=True) if number is not None)
    if not group:
        raise TableFormatError(f"network {label[:80]!r} has no losses; every network needs at least one.")
    network = Network(group, _require_number(size, "size"), _require_number(cost, "cost"))
    _check_label(label, network, tasks)
    losses = [math.nan if x is None else (1.0 - x if values == "gains" else x) for x in numbers]
    return network, losses


def _check_label(label: str, network: Network, tasks: tuple[str, ...]) -> None:
    """Refuse a label in the project's notation that names another group or size; any other is ignored."""
    stem, separator, size = label.partition("@")
    named = frozenset(stem.split("+"))
    if not named <= set(tasks):
        return
    if named != network.group:
        raise TableFormatError(f"network {label[:80]!r} has losses for {', '.join(sorted(network.group))}.")
    if separator and _parse_number(size, "network") != network.size:
        raise TableFormatError(f"network {label[:80]!r} has the size {network.size:g}.")


def _require_number(cell: str, column: str) -> float:
    number = _parse_number(cell, column)
    if number is None:
        raise TableFormatError(f"the column {column} is blank.")
    return number


def _parse_number(cell: str, column: str) -> float | None:
    if not cell.strip():
        return None
    try:
        number = float(cell.replace("_", "?"))  # Python's own digit separator is no CSV
    except ValueError:
        raise TableFormatError(f"column {column!r} holds {cell[:40]!r}, which is not a number.") from None
    if not math.isfinite(number):
        raise TableFormatError(f"column {column!r} holds {cell!r}; leave cells without a result blank.")
    return number
