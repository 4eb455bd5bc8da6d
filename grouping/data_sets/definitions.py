"""Definition of a problem on a stored table: its targets, its inputs, and how its rows are split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import Interval, Len, MaxLen

from grouping.data_sets.columns import MOST_CLASSES, ColumnKind, TargetKind
from grouping.domain.fields import STRICT, check, from_plain
from grouping.domain.tasks import MAX_TASKS, ChosenBy
from grouping.domain.trainings.splits import MAX_SPLITS
from grouping.errors import InvalidInputError

MAX_COLUMNS = 2_000
MAX_COLUMN_NAME = 200
ColumnName = Annotated[str, Len(1, MAX_COLUMN_NAME)]
MAX_FOLDS = 50
MOST_CLASSES_NAMED = 5
MADE_KINDS = (ColumnKind.NUMBER, ColumnKind.CATEGORY, ColumnKind.TEXT)
"""Kinds that a column can be made where it looks like another."""
Share = Annotated[float, Interval(gt=0, lt=1)]

_OPTIONS = ("name", "loss", "metric", "weight", "chosen_by", "positive", "order")
_PARAMETERS_OF = ("loss", "metric")
_TARGET = re.compile(
    rf"(?P<columns>.+?)(?::(?P<kind>{'|'.join(TargetKind)})(?::(?P<options>.+))?)?", re.DOTALL
)


class SplitKind(StrEnum):
    """How rows come into the parts of the split."""

    STRATIFIED = "stratified"
    RANDOM = "random"
    GROUP = "group"
    TIME = "time"
    COLUMN = "column"


@dataclass(frozen=True, slots=True)
class Split:
    """How the rows are divided into training, validation and test.

    Attributes:
        kind: how rows come into the parts. Stratified: each value of a column in like shares; without a
            column that is each task of a table in long form, and each class where one target has classes.
            Random: any row anywhere. Group: rows with the same value of a column stay together. Time: the
            earliest rows train, the latest test. Column: a column says train, validation or test.
        column: the column that the kind speaks of; empty for stratified by task and class, and for random.
        shares: shares of the rows that train, validate and test, which make 1 together.
        seed: seed of the draw.
        folds: folds, each the test rows of one split; 0 for test rows by their share. The validation rows
            are in no fold. Drawn at random it is k-fold cross-validation; by time, the test rows are folds
            one after another, each predicted by what was trained on all rows before it.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    kind: SplitKind = SplitKind.STRATIFIED
    column: Annotated[str, MaxLen(MAX_COLUMN_NAME)] = ""
    shares: Annotated[tuple[Share, ...], Len(3, 3)] = (0.6, 0.2, 0.2)
    seed: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    folds: Annotated[int, Interval(ge=0, le=MAX_FOLDS)] = 0

    def __post_init__(self) -> None:
        check(self, "/split")
        if self.kind not in list(SplitKind):
            raise InvalidInputError(
                f"A split is one of {', '.join(SplitKind)}, not {self.kind!r}.", pointer="/split/kind"
            )
        if abs(sum(self.shares) - 1) > 1e-6:
            raise InvalidInputError(
                f"The shares of the split make {sum(self.shares):g} together, and have to make 1.",
                pointer="/split/shares",
            )
        needs = self.kind in (SplitKind.GROUP, SplitKind.TIME, SplitKind.COLUMN)
        if needs and not self.column:
            raise InvalidInputError(
                f"A split by {self.kind} names its column, such as {self.kind}=day.", pointer="/split/column"
            )
        if self.column and self.kind is SplitKind.RANDOM:
            raise InvalidInputError(
                "A random split takes no column; stratified and group do.", pointer="/split/column"
            )
        if self.folds and self.kind is SplitKind.COLUMN:
            raise InvalidInputError(
                "A split by a column has no folds; stratified, random, group and time have.",
                pointer="/split/folds",
            )
        if self.folds == 1:
            raise InvalidInputError("There are two folds or more.", pointer="/split/folds")

    @property
    def most_splits(self) -> int:
        """The number of splits there are of its kind: of folds, as many as folds."""
        is_drawn = self.kind in (SplitKind.STRATIFIED, SplitKind.RANDOM, SplitKind.GROUP)
        return self.folds or (MAX_SPLITS if is_drawn else 1)


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted: a column, or several as one target. A row without a value has no label.

    Attributes:
        columns: the column, or several: of numbers, or of two values each for several labels.
        kind: regression, binary, multiclass or multilabel; what the column looks like if left out.
        name: name of the task; that of its columns if left out.
        loss: name of the loss that it is trained on; that of its kind if left out.
        loss_parameters: parameters of the loss.
        metric: name of the metric that is reported; that of its kind if left out.
        metric_parameters: parameters of the metric.
        weight: weight in the total loss.
        chosen_by: what networks are chosen by, its loss or its metric; it is trained on its loss either way.
        positive: value of a binary target that counts as yes, or of the columns of several labels; the later
            one in order if left out.
        order: all values of a target of classes in their order, such as small, medium, large; numbers by
            size and texts by the alphabet if left out.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    columns: Annotated[tuple[ColumnName, ...], Len(1, MAX_COLUMNS)]
    kind: TargetKind | None = None
    name: Annotated[str, MaxLen(100)] = ""
    loss: Annotated[str, MaxLen(100)] = ""
    loss_parameters: Mapping[str, Any] = field(default_factory=dict)
    metric: Annotated[str, MaxLen(100)] = ""
    metric_parameters: Mapping[str, Any] = field(default_factory=dict)
    weight: Annotated[float, Interval(gt=0, le=1e6)] = 1.0
    chosen_by: ChosenBy = ChosenBy.LOSS
    positive: Annotated[str, MaxLen(200)] = ""
    order: Annotated[tuple[Annotated[str, Len(1, 200)], ...], MaxLen(MOST_CLASSES)] = ()

    def __post_init__(self) -> None:
        check(self)
        if self.kind is not None and self.kind not in list(TargetKind):
            raise InvalidInputError(
                f"A target is one of {', '.join(TargetKind)}, not {self.kind!r}.", pointer="/kind"
            )
        if self.chosen_by not in list(ChosenBy):
            raise InvalidInputError(
                f"Networks are chosen by {' or '.join(ChosenBy)}, not {self.chosen_by!r}.",
                pointer="/chosen_by",
            )
        if len(self.columns) > 1 and self.kind not in (None, TargetKind.REGRESSION, TargetKind.MULTILABEL):
            raise InvalidInputError(
                "Several columns are one target of numbers, or of labels (multilabel): make columns of "
                "classes targets of their own.",
                pointer="/columns",
            )
        if len(self.columns) == 1 and self.kind is TargetKind.MULTILABEL:
            raise InvalidInputError(
                "Several labels are several columns, such as red+green+blue:multilabel; one is binary.",
                pointer="/columns",
            )

    @property
    def label(self) -> str:
        """Its name, or that of its columns."""
        return self.name or " and ".join(self.columns)

    def described(self, classes: Sequence[str]) -> str:
        """Say what it is taken for: its kind and, of classes, their values in order.

        Args:
            classes: values of its classes in order, as text; none where it has no classes.
        """
        if not classes:
            return f"{self.label} ({self.kind or TargetKind.REGRESSION})"
        kind = self.kind or (
            TargetKind.BINARY if len(classes) == 2 and not self.order else TargetKind.MULTICLASS
        )
        if kind is TargetKind.BINARY:
            return f"{self.label} (binary: yes is {classes[1]}, no is {classes[0]})"
        shown = ", ".join(classes[:MOST_CLASSES_NAMED])
        more = len(classes) - MOST_CLASSES_NAMED
        return f"{self.label} ({kind}: {shown}{f' and {more} more' if more > 0 else ''})"


@dataclass(frozen=True, slots=True)
class ProblemDefinition:
    """A problem on a stored table.

    Attributes:
        targets: what is predicted.
        task_column: column whose every value is a task of its own, on its own rows, for a table in long form;
            empty for a task per target.
        least_labels: labels that a task of the task column needs; tasks with fewer are left out.
        inputs: columns from which is predicted; all that say nothing about targets, tasks and split unless
            given.
        without: columns to leave out of the inputs.
        kinds: kinds of columns where they are not what they look like, such as numbers that are categories,
            or short texts to be read as text.
        split: how the rows are divided.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    targets: Annotated[tuple[Target, ...], Len(1, MAX_TASKS)]
    task_column: Annotated[str, MaxLen(MAX_COLUMN_NAME)] = ""
    least_labels: Annotated[int, Interval(ge=1, le=1_000_000)] = 1
    inputs: Annotated[tuple[ColumnName, ...], MaxLen(MAX_COLUMNS)] = ()
    without: Annotated[tuple[ColumnName, ...], MaxLen(MAX_COLUMNS)] = ()
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    split: Split = field(default_factory=Split)

    def __post_init__(self) -> None:
        check(self)
        labels = [target.label for target in self.targets]
        for place, label in enumerate(labels):
            if label in labels[:place]:
                raise InvalidInputError(
                    f"Two targets are named {label!r}: name one of them otherwise.",
                    pointer=f"/targets/{place}",
                )
        for column, kind in self.kinds.items():
            if kind not in MADE_KINDS:
                raise InvalidInputError(
                    f"The column {column!r} may be made {', '.join(MADE_KINDS)}, not {kind!r}.",
                    pointer=f"/kinds/{column}",
                )

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> ProblemDefinition:
        """Invert `as_mapping`; missing fields have their defaults.

        Raises:
            InvalidInputError: if a value breaks a rule.
        """
        kinds = {name: ColumnKind(kind) for name, kind in data.get("kinds", {}).items()}
        return from_plain(cls, {**data, "kinds": kinds})


def parse_target(text: str) -> Target:
    """Read a target such as ``price``, ``clicked:binary``, ``x+y:regression:name=position,weight=2``.

    Several columns are joined by ``+``, also as ``red+green:multilabel``.

    Options after the kind are ``name``, ``loss``, ``metric``, ``weight``, ``chosen_by``, ``positive`` and
    ``order``, whose values are joined by ``+``; parameters of the loss and the metric follow its name, as in
    ``loss=quantile,loss.quantile=0.9``.

    Raises:
        InvalidInputError: if it is none.
    """
    found = _TARGET.fullmatch(text)
    if found is None:
        raise InvalidInputError("A target is a column, such as price:regression.", pointer="/targets")
    options: dict[str, Any] = {}
    for part in found["options"].split(",") if found["options"] else ():
        name, is_given, value = part.partition("=")
        of, _, parameter = name.partition(".")
        if is_given and parameter and of in _PARAMETERS_OF:
            options.setdefault(f"{of}_parameters", {})[parameter] = _number_if_any(value)
        elif not is_given or name not in _OPTIONS:
            raise InvalidInputError(
                f"{part!r} is no option of a target: {'=, '.join(_OPTIONS)}=, or a parameter of its loss or "
                "metric, such as loss.quantile=0.9.",
                pointer="/targets",
            )
        else:
            options[name] = value.split("+") if name == "order" else value
    if "weight" in options:
        try:
            options["weight"] = float(options["weight"])
        except ValueError as error:
            raise InvalidInputError(
                f"The weight of a target is a number, not {options['weight']!r}.", pointer="/targets"
            ) from error
    kind = None if found["kind"] is None else TargetKind(found["kind"])
    return from_plain(Target, {"columns": found["columns"].split("+"), "kind": kind, **options})


def _number_if_any(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def parse_split(text: str, shares: tuple[float, ...] | None = None, seed: int = 0, folds: int = 0) -> Split:
    """Read a split such as ``random``, ``stratified``, ``group=user``, ``time=day`` or ``column=part``.

    Raises:
        InvalidInputError: if it is none.
    """
    kind, _, column = text.partition("=")
    if kind not in list(SplitKind):
        raise InvalidInputError(
            f"{text!r} is no split: {', '.join(SplitKind)}, the last three with a column, as group=user.",
            pointer="/split",
        )
    return Split(
        SplitKind(kind), column, **({} if shares is None else {"shares": shares}), seed=seed, folds=folds
    )


def parse_shares(text: str | None) -> tuple[float, ...] | None:
    """Read shares such as ``0.6,0.2,0.2``; None for none.

    Raises:
        InvalidInputError: if they are no numbers.
    """
    try:
        return None if not text else tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError(
            f"Shares are three numbers such as 0.6,0.2,0.2, not {text!r}.", pointer="/split/shares"
        ) from error


def parse_kind(text: str) -> tuple[str, ColumnKind]:
    """Read ``COLUMN=number``, ``COLUMN=category`` or ``COLUMN=text``.

    Raises:
        InvalidInputError: if it is none.
    """
    column, _, kind = text.rpartition("=")
    if not column or kind not in MADE_KINDS:
        raise InvalidInputError(
            f"{text!r} is no kind of a column: COLUMN= and one of {', '.join(MADE_KINDS)}.", pointer="/kinds"
        )
    return column, ColumnKind(kind)
