"""Making of tasks and arrays from a table and the definition of a problem."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets import findings as found
from grouping.data_sets.columns import (
    MOST_CLASSES,
    Column,
    ColumnKind,
    TargetKind,
    describe,
    is_number,
    looks_like,
    numbered,
    texts_of,
)
from grouping.data_sets.definitions import ProblemDefinition, Split, SplitKind, Target
from grouping.data_sets.features import FittedInputs, fit
from grouping.data_sets.findings import Finding
from grouping.data_sets.splits import Parts, split_rows
from grouping.domain.tasks import MAX_TASKS, Task, TaskKind
from grouping.domain.trainings.datasets import NO_CLASS, PARTS, Dataset, labelled_rows
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError, pointing_below
from grouping.recipes.losses_and_metrics import complete_task, named_loss, named_metric

if TYPE_CHECKING:
    import pandas as pd

STEPS_PER_EPOCH = 30
BATCH_SIZES = (16, 256)
TRAINING_STEPS = 1_500
MOST_EPOCHS = 60
LEAST_EPOCHS = 5


@dataclass(frozen=True, slots=True)
class Made:
    """Tasks and arrays of a problem.

    Attributes:
        tasks: the tasks, in the order of the targets and of the values of the task column.
        classes: values of each target of classes as text, by its label; their numbers are their places.
        dataset: inputs, targets and split.
        fitted: how columns become inputs.
        recipe: recipe that suits so many rows.
        findings: what a user should look at before training.
    """

    tasks: tuple[Task, ...]
    classes: Mapping[str, tuple[str, ...]]
    dataset: Dataset
    fitted: FittedInputs
    recipe: Recipe
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Labels:
    """A target as an array, for a task without a name yet."""

    target: Target
    kind: TargetKind
    classes: tuple[str, ...]
    values: NDArray[Any]

    def task(self, name: str) -> Task:
        """Return the task of this target."""
        if self.kind is TargetKind.BINARY:
            task = Task.binary(name)
        elif self.kind is TargetKind.MULTICLASS:
            task = Task.multiclass(name, len(self.classes))
        elif self.kind is TargetKind.MULTILABEL:
            task = Task.multilabel(name, self.values.shape[1])
        else:
            task = Task.regression(name, self.values.shape[1])
        loss, metric = self.target.loss, self.target.metric
        if loss:
            task = replace(task, loss=named_loss(loss, **self.target.loss_parameters))
        if metric:
            task = replace(task, metric=named_metric(metric, **self.target.metric_parameters))
        return complete_task(replace(task, weight=self.target.weight, chosen_by=self.target.chosen_by))

    def is_ordered_by_alphabet(self, columns: Mapping[str, Column]) -> bool:
        """Tell whether its loss or metric goes by the order of classes which are texts without one."""
        goes_by_order = {self.target.loss, self.target.metric} & {"ranked_probability", "class_distance"}
        is_text = columns[self.target.columns[0]].kind in (ColumnKind.CATEGORY, ColumnKind.TEXT)
        return bool(goes_by_order) and is_text and not self.target.order and len(self.classes) > 2

    def only(self, rows: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the labels of some rows; the others have none."""
        values = self.values.copy()
        values[~rows] = NO_CLASS if self.kind is TargetKind.MULTICLASS else np.nan
        return values


def make(frame: pd.DataFrame, definition: ProblemDefinition, number: int = 0) -> Made:
    """Make the tasks and arrays of a problem; the same table, definition and number give the same arrays.

    Args:
        frame: the stored table.
        definition: what is predicted from what, on which rows.
        number: number of the split, from 0. Tasks are those of the first one; inputs are fitted to the
            training rows of this one.

    Raises:
        InvalidInputError: if nothing can be trained on that; points at the field of the definition.
    """
    columns = {column.name: column for column in describe(frame)}
    _check_columns(definition, columns)
    labels = []
    for place, target in enumerate(definition.targets):
        with pointing_below(f"/targets/{place}", always=True):
            labels.append(_labels_of(frame, target, columns))
            labels[-1].task(target.label)  # its loss and metric fit
    usable = np.flatnonzero(np.any([labelled_rows(one.values) for one in labels], axis=0)).astype(np.int64)
    if definition.task_column:
        usable = usable[frame[definition.task_column].notna().to_numpy()[usable]]
    strata = _strata(frame, definition, labels)[usable]
    splits = [
        split_rows(frame, definition.split, usable, strata, fold)
        for fold in range(definition.split.folds or 1)
    ]
    named, left_out = _named_tasks(frame, definition, labels, splits)
    is_made = number < len(splits)
    parts = splits[number] if is_made else split_rows(frame, definition.split, usable, strata, number)
    kinds = _input_kinds(frame, definition, columns)
    fitted = fit(frame.iloc[parts[0]], kinds)
    targets = {task.name: values for task, values in named}
    dataset = Dataset(fitted.apply(frame), targets, *parts)
    tasks = tuple(task for task, _ in named)
    dataset.check_tasks(tasks)
    told = tuple(_findings(frame, definition, columns, kinds, dataset, tasks))
    ordered = [one for one in labels if one.is_ordered_by_alphabet(columns)]
    alphabet = found.of_orders({one.target.label: one.classes for one in ordered})
    classes = {one.target.label: one.classes for one in labels if one.classes}
    return Made(
        tasks, classes, dataset, fitted, recipe_for(len(parts[0]), fitted), (*left_out, *alphabet, *told)
    )


def recipe_for(n_train: int, fitted: FittedInputs | None = None) -> Recipe:
    """Return a recipe for a table of so many training rows: texts by a Transformer, images by convolutions.

    Rows per step are a power of two that makes about `STEPS_PER_EPOCH` steps, within `BATCH_SIZES`; epochs
    make about `TRAINING_STEPS` steps. A start, and not tuned on anything: ``--tuning-samples`` tunes.
    """
    wanted = max(1.0, n_train / STEPS_PER_EPOCH)
    batch = int(np.clip(2 ** round(np.log2(wanted)), *BATCH_SIZES))
    steps = max(1, n_train // batch)
    epochs = int(np.clip(round(TRAINING_STEPS / steps), LEAST_EPOCHS, MOST_EPOCHS))
    recipe = Recipe((32, 32), epochs=epochs, batch_size=batch, learning_rate=0.003, weight_decay=0.01)
    if fitted is not None and fitted.texts is not None:
        return replace(recipe, hidden=(32,), encoder=Method("transformer", fitted.texts.layout))
    if fitted is not None and fitted.images is not None:
        return replace(recipe, hidden=(16, 32), encoder=Method("convolutional", fitted.images.layout))
    return recipe


def _check_columns(definition: ProblemDefinition, columns: Mapping[str, Column]) -> None:
    named = [(f"/targets/{n}/columns", name) for n, t in enumerate(definition.targets) for name in t.columns]
    named += [("/task_column", definition.task_column), ("/split/column", definition.split.column)]
    named += [("/inputs", name) for name in definition.inputs]
    named += [("/without", name) for name in definition.without]
    named += [("/kinds", name) for name in definition.kinds]
    for pointer, name in named:
        if name and name not in columns:
            raise InvalidInputError(_no_column(name, list(columns)), pointer=pointer)
    if any(definition.task_column in target.columns for target in definition.targets):
        raise InvalidInputError("The task column is a target too.", pointer="/task_column")
    for name in definition.inputs:
        if any(name in target.columns for target in definition.targets):
            raise InvalidInputError(f"The column {name!r} is a target, and no input.", pointer="/inputs")


def _no_column(name: str, columns: Sequence[str]) -> str:
    """Say that there is no such column, and what may have been meant."""
    before, _, kind = name.partition(":")
    parts = name.split(",")
    if kind and before in columns:
        advice = f"{kind!r} is no kind of a target: {', '.join(TargetKind)}."
    elif len(parts) > 1 and set(parts) <= set(columns):
        advice = "Name each column by itself."
    elif near := difflib.get_close_matches(name, columns, n=1):
        advice = f"Did you mean {near[0]!r}?"
    else:
        advice = f"Its columns: {found.listed(columns)}."
    return f"The table has no column {name!r}. {advice}"


def _labels_of(frame: pd.DataFrame, target: Target, columns: Mapping[str, Column]) -> _Labels:
    kind = target.kind or (TargetKind.REGRESSION if len(target.columns) > 1 else None)
    kind = kind or (TargetKind.MULTICLASS if target.order else columns[target.columns[0]].as_target)
    if kind is None:
        raise InvalidInputError(_no_target(columns[target.columns[0]]))
    if target.order and kind is not TargetKind.MULTICLASS:
        raise InvalidInputError(
            f"Only classes (multiclass) have an order, and {target.label!r} is {kind}.", pointer="/order"
        )
    if kind is TargetKind.REGRESSION:
        return _Labels(target, kind, (), _numbers_of(frame, target))
    if kind is TargetKind.MULTILABEL:
        return _several_labels(frame, target)
    codes, values = numbered(frame[target.columns[0]])
    if kind is TargetKind.BINARY:
        classes, labels = _binary(target, target.columns[0], codes, values)
        return _Labels(target, kind, classes, labels)
    if not 2 <= len(values) <= MOST_CLASSES:
        raise InvalidInputError(
            f"The column {target.columns[0]!r} has {len(values):,} different values, and a target of classes "
            f"2 to {MOST_CLASSES}."
        )
    if target.order:
        if sorted(target.order) != sorted(values):
            raise InvalidInputError(
                f"The order of {target.columns[0]!r} has each of its values once: {', '.join(values)}.",
                pointer="/order",
            )
        places = np.array([target.order.index(value) for value in values])
        codes, values = np.where(codes < 0, NO_CLASS, places[codes]), list(target.order)
    return _Labels(target, kind, tuple(values), codes)


def _no_target(column: Column) -> str:
    if column.n_distinct < 2:
        return f"The column {column.name!r} has {column.n_distinct} value(s): there is nothing to learn."
    return (
        f"The column {column.name!r} is {column.kind} with {column.n_distinct:,} different values, such as "
        f"{found.listed(column.examples)}: a target has numbers, or few classes."
    )


def _numbers_of(frame: pd.DataFrame, target: Target) -> NDArray[np.float32]:
    for name in target.columns:
        if not is_number(frame[name]) and str(frame[name].dtype) != "boolean":
            raise InvalidInputError(f"The column {name!r} holds no numbers: make it binary or multiclass.")
    wide = np.stack([frame[name].to_numpy(np.float64, na_value=np.nan) for name in target.columns], axis=1)
    wide[np.isnan(wide).any(axis=1)] = np.nan  # a row is labelled wholly or not at all
    if (np.abs(wide[~np.isnan(wide)]) > np.finfo(np.float32).max).any():
        raise InvalidInputError(f"{target.label!r} holds numbers beyond 3.4e38.")
    return wide.astype(np.float32)


def _several_labels(frame: pd.DataFrame, target: Target) -> _Labels:
    """Make a target of several columns of two values; a row has a label of some of them, or of all."""
    labels = [_binary(target, name, *numbered(frame[name]))[1] for name in target.columns]
    return _Labels(target, TargetKind.MULTILABEL, (), np.stack(labels, axis=1))


def _binary(
    target: Target, column: str, codes: NDArray[np.int64], values: Sequence[str]
) -> tuple[tuple[str, str], NDArray[np.float32]]:
    """Return the values for no and for yes, and the labels, ``[rows]``, NaN where there is none."""
    if len(values) != 2:
        raise InvalidInputError(
            f"The column {column!r} has {len(values):,} different values, and a binary target "
            f"two: {found.listed(values)}."
        )
    if target.positive and target.positive not in values:
        raise InvalidInputError(
            f"{target.positive!r} is no value of {column!r}: {values[0]!r} or {values[1]!r}.",
            pointer="/positive",
        )
    positive = values.index(target.positive) if target.positive else 1
    labels = np.where(codes < 0, np.nan, codes == positive).astype(np.float32)
    return (values[1 - positive], values[positive]), labels


def _strata(
    frame: pd.DataFrame, definition: ProblemDefinition, labels: Sequence[_Labels]
) -> NDArray[np.int64]:
    """Number the rows by task, and by class where there is one target of classes."""
    strata = np.zeros(len(frame), dtype=np.int64)
    if definition.task_column:
        strata = numbered(frame[definition.task_column])[0]
    if len(labels) == 1 and labels[0].classes:
        codes = np.nan_to_num(labels[0].values, nan=NO_CLASS).astype(np.int64) + 1
        strata = strata * (len(labels[0].classes) + 1) + codes
    return strata


def _named_tasks(
    frame: pd.DataFrame, definition: ProblemDefinition, labels: Sequence[_Labels], splits: Sequence[Parts]
) -> tuple[list[tuple[Task, NDArray[Any]]], list[Finding]]:
    """Return each task that every split can train and test, with its target, and what is told of others."""
    if not definition.task_column:
        named = [(one.task(one.target.label), one.values) for one in labels]
        for place, (task, values) in enumerate(named):
            if obstacle := _obstacle_of(task, values, splits):
                is_of_classes = task.kind in (TaskKind.BINARY, TaskKind.MULTICLASS)
                of = labels[place].target.columns[0]
                hint = f", such as one that gives each part its values (stratified={of})"
                raise InvalidInputError(
                    f"The target {task.name!r} {obstacle}: leave it out, or choose another split"
                    f"{hint if is_of_classes else ''}.",
                    pointer=f"/targets/{place}",
                )
        return named, []
    column = frame[definition.task_column]
    # Texts as they come, so that "field 2" stands before "field 10".
    codes, names = numbered(column, as_they_come=not is_number(column))
    _check_task_column(definition, len(names) * len(labels), frame)
    prefix = f"{definition.task_column} " if is_number(column) else ""
    kept: list[tuple[Task, NDArray[Any]]] = []
    left_out: dict[str, str] = {}
    for one in labels:
        for code, value in enumerate(names):
            name = f"{prefix}{value}" if len(labels) == 1 else f"{one.target.label}, {prefix}{value}"
            task, target = one.task(name), one.only(codes == code)
            obstacle = _obstacle_of(task, target, splits)
            if obstacle is None and (n := int(labelled_rows(target).sum())) < definition.least_labels:
                obstacle = f"has {n:,} labels"
            if obstacle:
                left_out[name] = obstacle
            else:
                kept.append((task, target))
    if not kept:
        first = next(iter(left_out))
        raise InvalidInputError(
            f"No value of {definition.task_column!r} makes a task: {first!r} {left_out[first]}.",
            pointer="/task_column",
        )
    if len(kept) > MAX_TASKS:
        raise InvalidInputError(
            f"{len(kept)} tasks; a problem has at most {MAX_TASKS}. Ask for more labels of each "
            "(least_labels).",
            pointer="/least_labels",
        )
    if not left_out:
        return kept, []
    first = next(iter(left_out))
    sentence = (
        f"{len(left_out)} of {len(left_out) + len(kept)} tasks are left out; {first!r} {left_out[first]}."
    )
    return kept, [Finding("tasks_left_out", sentence, tuple(left_out))]


def _obstacle_of(task: Task, target: NDArray[Any], splits: Sequence[Parts]) -> str | None:
    """Return why a task cannot be trained on one of the splits, in words after its name."""
    for number, parts in enumerate(splits, start=1):
        if obstacle := found.obstacle_of(task, dict(zip(PARTS, parts, strict=True)), target):
            return obstacle if len(splits) == 1 else f"{obstacle} of fold {number}"
    return None


def _check_task_column(definition: ProblemDefinition, n_tasks: int, frame: pd.DataFrame) -> None:
    if n_tasks > 10 * MAX_TASKS:
        raise InvalidInputError(
            f"The column {definition.task_column!r} would make {n_tasks:,} tasks of {len(frame):,} rows; a "
            f"problem has at most {MAX_TASKS}.",
            pointer="/task_column",
        )


def _input_kinds(
    frame: pd.DataFrame, definition: ProblemDefinition, columns: Mapping[str, Column]
) -> dict[str, ColumnKind]:
    """Return the kind of every column that is an input, in the order of the table."""
    taken = {name for target in definition.targets for name in target.columns} | {definition.task_column}
    if definition.split.kind not in (SplitKind.STRATIFIED, SplitKind.RANDOM):
        taken.add(definition.split.column)
    wanted = definition.inputs or [name for name in columns if name not in taken]
    kinds: dict[str, ColumnKind] = {}
    for name in wanted:
        kind = definition.kinds.get(name, columns[name].kind)
        if name in definition.without or (kind is ColumnKind.EMPTY and name not in definition.inputs):
            continue
        if kind is ColumnKind.NUMBER and columns[name].kind in (ColumnKind.TEXT, ColumnKind.CATEGORY):
            raise InvalidInputError(f"The column {name!r} holds texts, no numbers.", pointer=f"/kinds/{name}")
        if kind is ColumnKind.TEXT and columns[name].kind not in (ColumnKind.TEXT, ColumnKind.CATEGORY):
            raise InvalidInputError(f"The column {name!r} holds no texts.", pointer=f"/kinds/{name}")
        kinds[name] = kind
    if not kinds:
        raise InvalidInputError("No column is left to predict from.", pointer="/inputs")
    _check_mixture(frame, kinds)
    return kinds


def _check_mixture(frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> None:
    """Refuse texts or an image beside inputs of another kind: no encoder reads both."""
    for kind, whole in ((ColumnKind.TEXT, "free text"), (ColumnKind.IMAGE, "images")):
        of_kind = [name for name, its in kinds.items() if its is kind]
        others = [name for name in kinds if name not in of_kind]
        if of_kind and others:
            raise InvalidInputError(
                f"{found.listed(of_kind)} hold{'s' * (len(of_kind) == 1)} {whole}, which no encoder reads "
                f"beside {found.listed(others)}. Predict from {whole} alone (--input), or leave "
                f"{'it' if len(of_kind) == 1 else 'them'} out (--without).{_meant(frame, of_kind, kind)}",
                pointer="/inputs",
            )
        if kind is ColumnKind.IMAGE and len(of_kind) > 1:
            raise InvalidInputError(
                f"{found.listed(of_kind)} hold images, and an encoder reads one: name it (--input).",
                pointer="/inputs",
            )


def _meant(frame: pd.DataFrame, names: Sequence[str], kind: ColumnKind) -> str:
    """Say which columns of texts look like numbers or dates, as a further sentence."""
    looks = {name: looks_like(frame[name]) for name in names if kind is ColumnKind.TEXT}
    meant = [
        f"{name!r} looks like {what}: write {found.READABLE[what]}" for name, what in looks.items() if what
    ]
    return f" {'; '.join(meant)}." if meant else ""


def _findings(
    frame: pd.DataFrame,
    definition: ProblemDefinition,
    columns: Mapping[str, Column],
    kinds: Mapping[str, ColumnKind],
    dataset: Dataset,
    tasks: Sequence[Task],
) -> Iterator[Finding]:
    yield from found.of_tasks(tasks, dataset)
    targets = [name for target in definition.targets for name in target.columns]
    yield from found.of_inputs(frame, [columns[name] for name in kinds], targets, dataset)
    compared = [name for name, kind in kinds.items() if kind is not ColumnKind.IMAGE]
    yield from found.of_leaks(frame, compared, targets)
    yield from found.of_shares(frame, definition.split, dataset)
    yield from _divided_groups(frame, definition.split, columns, dataset)


def _divided_groups(
    frame: pd.DataFrame, split: Split, columns: Mapping[str, Column], dataset: Dataset
) -> Iterator[Finding]:
    """Find columns outside the inputs' numbers whose values might be groups and stand in two parts."""
    if split.kind in (SplitKind.GROUP, SplitKind.TIME):
        return
    for name, column in columns.items():
        looks_like_id = column.kind is ColumnKind.TEXT or name.lower().rstrip("#").endswith(("id", "_id"))
        if not looks_like_id or not 2 <= column.n_distinct <= len(frame) // 2:
            continue
        values = texts_of(frame[name].iloc[dataset.train].dropna())
        others = np.concatenate([dataset.validation, dataset.test])
        elsewhere = texts_of(frame[name].iloc[others].dropna())
        shared = len(set(values) & set(elsewhere))
        if shared:
            yield Finding(
                "group_in_two_parts",
                f"{shared:,} values of {name!r} stand in training and in validation or test rows: if they "
                f"are people or things measured several times, split by group={name}.",
                (name,),
            )
