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
from grouping.domain.scores import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import GroupingError, InvalidInputError, TableFormatError

LEADING_COLUMNS = ("network", "size", "cost")
MAX_BYTES = 32 * 2**20
MAX_TASKS = 200
Values = Literal["losses", "gains"]


def read_wide_csv(path: Path, test_path: Path | None = None, *, values: Values = "losses") -> ScoreTable:
    """Read a score table from a wide CSV file.

    Args:
        path: validation losses (or gains).
        test_path: test losses of the same networks and tasks, if known.
        values: ``losses`` (lower is better) are taken as they are; ``gains`` (higher is better) become
            losses as ``1 - gain``.

    Raises:
        TableFormatError: if a file cannot be read or is not such a table; says where and what to do.
    """
    tasks, networks, validation = _read(path, values)
    test = np.full_like(validation, np.nan)
    if test_path is not None:
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


def _read(path: Path, values: Values) -> tuple[tuple[str, ...], tuple[Network, ...], np.ndarray]:
    text = _read_text(path)
    header = next(csv.reader(io.StringIO(text)), [])
    tasks = _check_header(header, path)
    try:
        frame = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, index_col=False, on_bad_lines="error"
        )
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise TableFormatError(f"{path.name} is not a well-formed CSV file: {error}") from error
    if frame.empty:
        raise TableFormatError(f"{path.name} has a header but no networks.")
    networks, rows = [], []
    for line, record in enumerate(frame.itertuples(index=False, name=None), start=2):
        try:
            network, losses = _parse_row(record, tasks, values)
        except GroupingError as error:
            raise TableFormatError(f"{path.name}: {error}", line=line) from error
        networks.append(network)
        rows.append(losses)
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
        raise TableFormatError(
            f"{path.name} must begin with the columns {', '.join(LEADING_COLUMNS)} and then one per task; "
            f"got {', '.join(header[:4]) or 'an empty file'}.",
            line=1,
        )
    tasks = tuple(header[3:])
    if not tasks or len(tasks) > MAX_TASKS:
        raise TableFormatError(f"{path.name} needs 1 to {MAX_TASKS} task columns; got {len(tasks)}.", line=1)
    if len(set(tasks)) != len(tasks):
        raise TableFormatError(f"{path.name} names a task column twice.", line=1)
    return tasks


def _parse_row(
    record: tuple[str, ...], tasks: tuple[str, ...], values: Values
) -> tuple[Network, list[float]]:
    label, size, cost, *cells = record
    numbers = [_parse_number(cell, task) for cell, task in zip(cells, tasks, strict=True)]
    group = frozenset(task for task, number in zip(tasks, numbers, strict=True) if number is not None)
    if not group:
        raise TableFormatError(f"network {label!r} has no losses; every network needs at least one.")
    network = Network(group, _require_number(size, "size"), _require_number(cost, "cost"))
    stem = label.partition("@")[0]
    named = frozenset(stem.split("+"))
    if named != group and named <= set(tasks):
        raise TableFormatError(f"network {label!r} has losses for {', '.join(sorted(group))}.")
    losses = [math.nan if x is None else (1.0 - x if values == "gains" else x) for x in numbers]
    return network, losses


def _require_number(cell: str, column: str) -> float:
    number = _parse_number(cell, column)
    if number is None:
        raise TableFormatError(f"the column {column} is blank.")
    return number


def _parse_number(cell: str, column: str) -> float | None:
    if not cell.strip():
        return None
    try:
        number = float(cell)
    except ValueError:
        raise TableFormatError(f"column {column!r} holds {cell[:40]!r}, which is not a number.") from None
    if not math.isfinite(number):
        raise TableFormatError(f"column {column!r} holds {cell!r}; leave cells without a result blank.")
    return number
