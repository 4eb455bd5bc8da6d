"""Findings about the data of a problem before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets.columns import Column, ColumnKind, is_number, looks_like, numbered
from grouping.data_sets.definitions import Split, SplitKind
from grouping.data_sets.images import digests
from grouping.domain.percentages import percent
from grouping.domain.tables.dominance import MOST_OF_THE_SUM
from grouping.domain.tasks import ChosenBy, Task, TaskKind
from grouping.domain.trainings.datasets import PARTS, Dataset, labelled_rows

if TYPE_CHECKING:
    import pandas as pd

FEW_OF_A_CLASS = 10
"""Labels of one class in a part below which its losses are mostly chance."""
FEW_LABELS = 50
"""Training labels of a task below which it counts as tiny."""
MOST_NAMED = 5
READABLE = {"dates": "2024-01-31 (ISO 8601)", "numbers": "plain numbers such as 1234.5"}
_PART_VERBS = {"train": "train", "validation": "validate", "test": "test"}
ROUNDING = 1e-6
"""How far from 1 the correlation of two columns is that say the same but for rounding."""
LEAST_PARTED = 50
"""Rows from which it is no chance that a threshold parts two classes of five rows each or more."""
LEAST_REPEATED = 5
"""Rows per value, on average, from which a value of a column that fits a target exactly is no chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at in the data of a problem that can be trained. What cannot be is an error.

    Attributes:
        code: stable name for programs, such as ``few_labels``.
        sentence: what was found, and what to do.
        subjects: tasks or columns it is about.
    """

    code: str
    sentence: str
    subjects: tuple[str, ...] = ()


def listed(names: Sequence[str]) -> str:
    """Name the first few of some names, and count the rest."""
    shown = ", ".join(map(repr, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def obstacle_of(task: Task, dataset_parts: Mapping[str, Any], target: Any) -> str | None:
    """Return why a task cannot be trained, in words after its name; None where it can.

    Args:
        task: the task.
        dataset_parts: rows of each part of the split.
        target: its target, as in `grouping.domain.trainings.datasets.Dataset`.
    """
    known = labelled_rows(target)
    without = [part for part in PARTS if not known[dataset_parts[part]].any()]
    if without:
        return f"has no label in the {' and '.join(without)} rows"
    train = target[dataset_parts["train"]][known[dataset_parts["train"]]]
    return "has one value only in the training rows" if np.all(train == train[0]) else None


def of_tasks(tasks: Sequence[Task], dataset: Dataset) -> Iterator[Finding]:
    """Find tasks with few labels, few of a class or another's labels, and one that drowns all others."""
    tiny = [task.name for task in tasks if dataset.label_counts(task.name)["train"] < FEW_LABELS]
    if tiny:
        yield Finding(
            "few_labels",
            f"Fewer than {FEW_LABELS} training labels in {listed(tiny)}: more seeds or another split tell "
            "whether their losses mean anything.",
            tuple(tiny),
        )
    for part in PARTS:
        yield from _few_of_a_class(tasks, dataset, part)
    yield from _same_targets(tasks, dataset)
    shares = {task.name: task.weight * untrained_loss(task, dataset) for task in tasks}
    total = sum(shares.values())
    for name, share in shares.items():
        if len(tasks) > 1 and share / total >= MOST_OF_THE_SUM:
            yield Finding(
                "one_task_decides",
                f"{name!r} makes up {percent(share / total, 0)} of the sum of losses where nothing is "
                "learned: the grouping is chosen for this task almost alone. Give it a smaller weight, or "
                "choose by its loss, which is 1 there.",
                (name,),
            )


def untrained_loss(task: Task, dataset: Dataset) -> float:
    """Return about what a constant prediction costs a task in the sum that networks are chosen by.

    Losses are divided by what they are there, and most metrics are shares: both count as 1. Errors in the
    units of the target or in classes are the mean distance of the training labels from their median.
    """
    metric = None if task.metric is None else task.metric.name
    if task.chosen_by is not ChosenBy.METRIC or metric not in ("mae", "rmse", "class_distance"):
        return 1.0
    labels = dataset.targets[task.name][dataset.train]
    labels = labels[labelled_rows(labels)].astype(np.float64)
    return float(np.abs(labels - np.median(labels, axis=0)).mean())


def of_orders(classes: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Tell of targets whose classes are taken in the order of the alphabet, and whose order counts."""
    for name, values in classes.items():
        yield Finding(
            "order_by_alphabet",
            f"The classes of {name!r} are in the order of the alphabet, {', '.join(values)}, and its loss or "
            f"metric goes by their order: if that is another one, say so (order={'+'.join(values)}).",
            (name,),
        )


def of_shares(frame: pd.DataFrame, split: Split, dataset: Dataset) -> Iterator[Finding]:
    """Find parts of the split with less than half of the rows that were asked for."""
    if split.kind is SplitKind.COLUMN:
        return
    train, validation, test = split.shares
    if split.folds:
        test = test if split.kind is SplitKind.TIME else (1 - validation)
        train, test = 1 - validation - test / split.folds, test / split.folds
    rows = [len(getattr(dataset, part)) for part in PARTS]
    shares = [count / sum(rows) for count in rows]
    small = [n for n, asked in enumerate((train, validation, test)) if shares[n] < asked / 2]
    if not small:
        return
    few = " and ".join(f"{percent(shares[n], 0)} of the rows {_PART_VERBS[PARTS[n]]}" for n in small)
    why = "tasks and classes have too few rows to divide"
    if split.kind in (SplitKind.GROUP, SplitKind.TIME):
        most = percent(frame[split.column].value_counts(normalize=True).iloc[0], 0)
        why = f"rows with one value of {split.column!r} stay together, and one value has {most} of all"
    yield Finding("shares_not_kept", f"Only {few}: {why}.", tuple(PARTS[n] for n in small))


def _same_targets(tasks: Sequence[Task], dataset: Dataset) -> Iterator[Finding]:
    """Find tasks whose training labels are those of another, numbers but for their scale."""
    seen: dict[bytes, str] = {}
    scaled: dict[bytes, list[tuple[str, NDArray[np.float64]]]] = {}
    for task in tasks:
        labels = dataset.targets[task.name][dataset.train]
        first = None
        if task.kind in (TaskKind.BINARY, TaskKind.MULTICLASS):
            first = seen.setdefault(_as_they_come(labels).tobytes(), task.name)
        elif task.kind is TaskKind.REGRESSION and task.n_outputs == 1:
            known = labelled_rows(labels)
            numbers = labels[known].astype(np.float64).ravel()
            alike = scaled.setdefault(known.tobytes(), [])
            first = next((name for name, others in alike if _is_scaled(numbers, others)), task.name)
            alike.append((task.name, numbers))
        if first not in (None, task.name):
            yield Finding(
                "same_target",
                f"The tasks {first!r} and {task.name!r} have the same training labels, or say the same by "
                "other numbers or names: leave one out.",
                (first, task.name),
            )


def _as_they_come(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Number classes as they first come, so that other names for them make no difference; -1 without one."""
    known = labelled_rows(labels)
    _, places, codes = np.unique(labels[known], return_index=True, return_inverse=True)
    result = np.full(len(labels), -1, dtype=np.int64)
    result[known] = np.argsort(np.argsort(places))[codes.ravel()]
    return result


def _is_scaled(numbers: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Tell whether numbers are others up to scale and offset, but for rounding."""
    if len(numbers) < 3 or np.ptp(numbers) == 0 or np.ptp(others) == 0:
        return False
    return bool(abs(np.corrcoef(numbers, others)[0, 1]) > 1 - ROUNDING)


def _few_of_a_class(tasks: Sequence[Task], dataset: Dataset, part: str) -> Iterator[Finding]:
    rarest: dict[str, tuple[int, int]] = {}
    for task in tasks:
        if task.kind not in (TaskKind.BINARY, TaskKind.MULTICLASS):
            continue
        target = dataset.targets[task.name][getattr(dataset, part)]
        values = target[labelled_rows(target)].astype(np.int64)
        counts = np.bincount(values, minlength=2 if task.kind is TaskKind.BINARY else task.n_outputs)
        if counts.min() < FEW_OF_A_CLASS:
            rarest[task.name] = (int(counts.min()), len(values))
    if rarest:
        name, (count, of) = min(rarest.items(), key=lambda item: item[1])
        rows = "training" if part == "train" else part
        others = "" if len(rarest) == 1 else f" ({len(rarest)} tasks have fewer than {FEW_OF_A_CLASS})"
        yield Finding(
            "few_of_a_class",
            f"The rarest class of {name!r} has {count:,} of {of:,} {rows} labels{others}: its losses and "
            "metrics depend on single rows.",
            tuple(rarest),
        )


def of_inputs(
    frame: pd.DataFrame, columns: Sequence[Column], targets: Sequence[str], dataset: Dataset
) -> Iterator[Finding]:
    """Find input columns that are equal, identify rows, or never vary, and rows in two parts."""
    seen: dict[bytes, str] = {}
    for column in columns:
        series = frame[column.name]
        codes = numbered(series)[0]
        if column.n_distinct < 2 and not column.n_missing:
            yield Finding("constant_input", f"The column {column.name!r} has one value only.", (column.name,))
        first = seen.setdefault(codes.tobytes(), column.name)
        if first != column.name and column.n_distinct > 1:
            yield Finding(
                "same_input",
                f"The columns {first!r} and {column.name!r} say the same: leave one out.",
                (first, column.name),
            )
        is_text = column.kind is ColumnKind.CATEGORY and not is_number(series)
        if is_text and (what := looks_like(series)):
            yield Finding(
                "looks_otherwise",
                f"The values of {column.name!r}, such as {listed(column.examples)}, look like {what} and are "
                f"read as a category: write {READABLE[what]} for {what}.",
                (column.name,),
            )
        is_counted = column.kind is ColumnKind.CATEGORY or column.is_whole
        if is_counted and column.n_distinct == len(series) and len(series) > FEW_LABELS:
            yield Finding(
                "identifies_rows",
                f"The column {column.name!r} has another value in every row, as a row number has: leave it "
                "out unless it says something about new rows.",
                (column.name,),
            )
    used = list(dict.fromkeys([*(column.name for column in columns), *targets]))
    images = {column.name for column in columns if column.kind is ColumnKind.IMAGE}
    compared = frame[used].assign(**{name: digests(frame[name]) for name in images})
    yield from _in_two_parts(compared, dataset)


def _in_two_parts(frame: pd.DataFrame, dataset: Dataset) -> Iterator[Finding]:
    """Find rows that are equal to a training row in every column that is used."""
    train = frame.iloc[dataset.train].drop_duplicates()
    for part in ("validation", "test"):
        rows = frame.iloc[getattr(dataset, part)]
        both = rows.drop_duplicates().merge(train, how="inner")  # on every column
        if len(both):
            yield Finding(
                "same_rows",
                f"{_rows(len(both), part)} the inputs and targets of a training row: copies make losses look "
                "better than on new rows; leave copies out, or split by group.",
            )


def _rows(count: int, part: str) -> str:
    return f"1 {part} row has" if count == 1 else f"{count:,} different {part} rows have"


def of_leaks(frame: pd.DataFrame, inputs: Sequence[str], targets: Sequence[str]) -> Iterator[Finding]:
    """Find input columns that tell a target: equal to it but for scale and rounding, with one value for each
    of its values, on either side of a threshold, or missing where it has one of two values.
    """
    numbers_of = {name: numbered(frame[name])[0] for name in inputs}
    for target in targets:
        labels = numbered(frame[target])[0]
        for name, codes in numbers_of.items():
            both = (labels >= 0) & (codes >= 0)
            known = labels >= 0
            if _is_parted(codes[known] >= 0, labels[known]):
                yield Finding(
                    "tells_target",
                    f"Whether the column {name!r} has a value tells {target!r} exactly: leave it out, unless "
                    f"it is known before {target!r} is.",
                    (name, target),
                )
            elif both.any() and _is_told(frame, name, target, codes[both], labels[both], both):
                yield Finding(
                    "tells_target",
                    f"The column {name!r} tells {target!r} exactly: leave it out, unless it is known before "
                    f"{target!r} is.",
                    (name, target),
                )


def _is_told(frame: pd.DataFrame, name: str, target: str, codes: Any, labels: Any, both: Any) -> bool:
    """Tell whether every value of a column has one value of the target, and not because all rows differ."""
    n_labels, n_codes = (np.count_nonzero(np.bincount(numbers)) for numbers in (labels, codes))
    if n_labels < 2:
        return False
    if is_number(frame[name]) and is_number(frame[target]) and n_labels > 2:
        x, y = (frame[c].to_numpy(dtype=np.float64)[both] for c in (name, target))
        return _is_scaled(x, y)
    if is_number(frame[name]) and _is_parted(codes, labels):
        return True
    if n_codes * LEAST_REPEATED > len(codes):
        return False
    pairs = len(np.unique(codes.astype(np.int64) * (int(labels.max()) + 1) + labels))
    return bool(pairs == n_codes)


def _is_parted(values: NDArray[Any], labels: NDArray[np.int64]) -> bool:
    """Tell whether a threshold on the values parts the two classes, and not by chance."""
    counts = np.bincount(labels)
    classes = np.flatnonzero(counts)
    if len(classes) != 2 or len(labels) < LEAST_PARTED or counts[classes].min() < LEAST_REPEATED:
        return False
    first, second = (values[labels == one].astype(np.int64) for one in classes)
    return bool(first.max() < second.min() or second.max() < first.min())
