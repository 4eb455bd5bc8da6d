"""Tasks: what is predicted, with the loss to train it on and the metric to report."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from annotated_types import Len

from grouping.errors import InvalidInputError

MAX_NAME_LENGTH = 100
MAX_TASKS = 1_000
Name = Annotated[str, Len(1, MAX_NAME_LENGTH)]
"""A name of a task, a problem or a method."""

Parameters = tuple[tuple[str, str | int | float | bool], ...]
"""Names and plain values: a task must be hashable."""


class TaskKind(StrEnum):
    """The shape of a task's target."""

    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"
    DENSE_MAP = "dense_map"
    RANKING = "ranking"
    """Choice of the right one among several candidates: the target is its position, as a class number."""
    MULTILABEL = "multilabel"
    """Several answers of yes or no, of which a row may lack some."""
    CLASS_MAP = "class_map"
    """A class at each pixel, as in segmentation: the outputs of all pixels for one class, then the next."""
    NORMALS = "normals"
    """A direction in space at each pixel: x of all pixels, then y, then z."""
    UNSPECIFIED = "unspecified"
    """Known only as a column of losses, as in an imported score table."""


class Scale(StrEnum):
    """Divisor of a loss in the total loss of a grouping, where it is no number."""

    NONE = "none"
    """Nothing: the losses are added as they are."""
    SINGLE = "single"
    """The task's own single-task loss: the mean over seeds in its full-size network, without its sign."""


class ChosenBy(StrEnum):
    """What the losses of a task in a score table are, by which networks are chosen; lower is better."""

    LOSS = "loss"
    """The loss that it is trained on, on the rows that decide."""
    METRIC = "metric"
    """Its metric, as `Task.loss_of` turns it into a loss; it is trained on its loss all the same."""


class Direction(StrEnum):
    """Direction in which a metric improves."""

    LOWER_IS_BETTER = "lower_is_better"
    HIGHER_IS_BETTER = "higher_is_better"


@lru_cache(maxsize=4096)
def check_name(name: str, what: str) -> str:
    """Return `name` when it may be shown, stored and exported as it is.

    Raises:
        InvalidInputError: if it is empty, too long, padded with blanks, or holds ``+``, ``@`` (both are
            part of network names) or invisible characters (controls, direction marks, surrogates).
    """
    if not name or name != name.strip():
        raise InvalidInputError(f"A {what} needs a name without blanks at its ends; got {name[:50]!r}.")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidInputError(f"A {what} name has at most {MAX_NAME_LENGTH} characters; got {len(name)}.")
    for character in name:
        if character in "+@" or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise InvalidInputError(
                f"The {what} name {name!r} holds {character!r}, which is not allowed: "
                "use letters, digits, blanks and punctuation other than + and @."
            )
    return name


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss that a task is trained on, by name; lower is better.

    Every loss is divided by what the best constant prediction scores on the training rows. A loss of 1 is
    therefore what a predictor without inputs gets, and losses of different names may be added.

    `grouping.recipes` declares the losses and their parameters. In an imported table any name will do, since
    nothing is trained there.

    Attributes:
        name: name of the loss, such as ``squared_error``.
        parameters: names and values, sorted by name; one that is left out has the default of the loss.
    """

    name: str
    parameters: Parameters = ()

    def __post_init__(self) -> None:
        check_name(self.name, "loss")
        object.__setattr__(self, "parameters", _checked(self.parameters, f"loss {self.name!r}"))


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of quality that is reported beside the loss.

    Attributes:
        name: name of the metric, such as ``accuracy`` or ``r2``; in an imported table it may be any.
        direction: whether higher or lower is better.
        parameters: names and values, sorted by name; one that is left out has the default of the metric.
        unit: unit of its values, such as ``mm/s``; empty for none.
    """

    name: str
    direction: Direction
    parameters: Parameters = ()
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", _checked(self.parameters, f"metric {self.name!r}"))

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; `parameters` and `unit` only where there are some."""
        fields: dict[str, Any] = {"name": self.name, "direction": self.direction}
        if self.unit:
            fields["unit"] = self.unit
        return fields | ({"parameters": dict(self.parameters)} if self.parameters else {})

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Metric:
        """Invert `as_mapping`."""
        parameters = tuple(data.get("parameters", {}).items())
        return cls(data["name"], Direction(data["direction"]), parameters, data.get("unit", ""))


def scale_of(value: float | str) -> float | Scale:
    """Read a scale from JSON.

    Raises:
        ValueError: if it is a text that names none.
    """
    return Scale(value) if isinstance(value, str) else value


def _checked(parameters: Parameters, what: str) -> Parameters:
    for name, value in parameters:
        is_plain = isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))
        if not is_plain:
            raise InvalidInputError(
                f"The parameter {name!r} of the {what} must be a finite number, a text or a truth value."
            )
    return tuple(sorted(parameters, key=lambda parameter: parameter[0]))


SQUARED_ERROR = Loss("squared_error")
CROSS_ENTROPY = Loss("cross_entropy")
BINARY_CROSS_ENTROPY = Loss("binary_cross_entropy")
UNSPECIFIED = Loss("unspecified")
"""An imported number of which only the direction is known: lower is better."""
REPORTED = Loss("reported")
"""A value that a trainer reports for a task which a job defines; `Task.loss_of` turns it into a loss."""
ACCURACY = Metric("accuracy", Direction.HIGHER_IS_BETTER)
R2 = Metric("r2", Direction.HIGHER_IS_BETTER)
COSINE = Loss("cosine")
MEAN_IOU = Metric("mean_iou", Direction.HIGHER_IS_BETTER)
ANGULAR_ERROR = Metric("angular_error", Direction.LOWER_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to predict.

    Attributes:
        name: name of the task, unique within a problem.
        kind: shape of its target.
        loss: loss that it is trained on; lower is better.
        metric: metric that is reported beside the loss; None for none.
        weight: its weight in the total loss of a grouping, positive; 1 in the paper.
        n_outputs: width of its head: classes, candidates, labels, pixels of the map, or numbers predicted; 1
            for binary. Of a map of classes it is classes times pixels, of directions 3 times pixels.
        reads: segments of a row that it is about, where a row holds several texts side by side: numbers from
            0, in order; empty for the whole row. A ranking reads the question, then the candidates.
            Encoders without segments ignore this.
        scale: what its loss is divided by in the total loss, a positive number or a rule; see
            ``grouping.domain.scales``.
        best: value of a perfect prediction, where a metric of which higher is better becomes a loss.
        reference: value of its metric to compare with, such as that of a system in use; None for none.
        must_not_worsen: whether a grouping must serve it no worse than its own full-size network does.
        chosen_by: what its losses in a score table are.
    """

    name: str
    kind: TaskKind = TaskKind.UNSPECIFIED
    loss: Loss = UNSPECIFIED
    metric: Metric | None = None
    weight: float = 1.0
    n_outputs: int = 1
    reads: tuple[int, ...] = ()
    scale: float | Scale = Scale.NONE
    best: float = 1.0
    reference: float | None = None
    must_not_worsen: bool = False
    chosen_by: ChosenBy = ChosenBy.LOSS

    def __post_init__(self) -> None:
        check_name(self.name, "task")
        if not isinstance(self.loss, Loss) or not isinstance(self.metric, Metric | None):
            raise InvalidInputError(
                f"Task {self.name!r}: its loss is a Loss, such as Loss('huber'), and its metric a Metric or "
                "None; `named_loss` and `named_metric` of grouping.recipes make them from names."
            )
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InvalidInputError(f"Task {self.name!r}: the weight must be a positive number.")
        if not isinstance(self.scale, Scale) and not (math.isfinite(self.scale) and self.scale > 0):
            raise InvalidInputError(f"Task {self.name!r}: the scale must be a positive number.")
        if self.n_outputs < 1:
            raise InvalidInputError(f"Task {self.name!r}: a head needs at least one output.")
        if self.chosen_by is ChosenBy.METRIC and self.metric is None:
            raise InvalidInputError(f"Task {self.name!r} is chosen by its metric, and names none.")
        if len(set(self.reads)) != len(self.reads) or any(segment < 0 for segment in self.reads):
            raise InvalidInputError(f"Task {self.name!r} reads segments by different numbers, from 0.")
        if self.kind is TaskKind.RANKING and self.reads and len(self.reads) != self.n_outputs + 1:
            raise InvalidInputError(
                f"Task {self.name!r} ranks {self.n_outputs} candidates, so it reads {self.n_outputs + 1} "
                f"segments: what is asked, and the candidates. It names {len(self.reads)}."
            )

    @property
    def loss_parameters(self) -> Parameters:
        """Names and values of the parameters of the loss."""
        return self.loss.parameters

    @property
    def objective_weight(self) -> float:
        """Factor of its loss in the total loss, weight by scale; a scale that is not measured yet is 1."""
        return self.weight if isinstance(self.scale, Scale) else self.weight / self.scale

    @property
    def is_reported(self) -> bool:
        """Whether a trainer reports values of its metric, which `loss_of` turns into losses."""
        return self.loss == REPORTED

    @property
    def has_values(self) -> bool:
        """Whether its losses are values of its metric, which ``value_of`` gives back."""
        return self.is_reported or self.chosen_by is ChosenBy.METRIC

    def loss_of(self, value: float) -> float:
        """Turn a value of its metric into a loss: the value, or how far it is below the best."""
        is_turned = self.metric is not None and self.metric.direction is Direction.HIGHER_IS_BETTER
        return self.best - value if is_turned else value

    def value_of(self, loss: float) -> float:
        """Invert `loss_of`."""
        return self.loss_of(loss)

    def with_weight(self, weight: float) -> Task:
        """Return the task with another weight in the total loss."""
        return replace(self, weight=weight)

    def reading(self, *segments: int) -> Task:
        """Return the task with other segments of a row to read."""
        return replace(self, reads=segments)

    def by_metric(self) -> Task:
        """Return the task as one of which networks are chosen by its metric; see ``ChosenBy``."""
        return replace(self, chosen_by=ChosenBy.METRIC)

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; those after `n_outputs` only where they are not the default."""
        fields: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "loss": self.loss.name,
            "metric": None if self.metric is None else self.metric.as_mapping(),
            "weight": self.weight,
            "n_outputs": self.n_outputs,
        }
        if self.loss.parameters:
            fields["loss_parameters"] = dict(self.loss.parameters)
        if self.reads:
            fields["reads"] = list(self.reads)
        beside = {
            "scale": Scale.NONE,
            "best": 1.0,
            "reference": None,
            "must_not_worsen": False,
            "chosen_by": ChosenBy.LOSS,
        }
        return fields | {k: getattr(self, k) for k, usual in beside.items() if getattr(self, k) != usual}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Task:
        """Invert `as_mapping`; fields that are not there have their defaults."""
        metric = data["metric"]
        return cls(
            name=data["name"],
            kind=TaskKind(data["kind"]),
            loss=Loss(data["loss"], tuple(data.get("loss_parameters", {}).items())),
            metric=None if metric is None else Metric.from_mapping(metric),
            weight=data["weight"],
            n_outputs=data["n_outputs"],
            reads=tuple(data.get("reads", ())),
            scale=scale_of(data.get("scale", Scale.NONE)),
            best=data.get("best", 1.0),
            reference=data.get("reference"),
            must_not_worsen=data.get("must_not_worsen", False),
            chosen_by=ChosenBy(data.get("chosen_by", ChosenBy.LOSS)),
        )

    @classmethod
    def regression(
        cls, name: str, n_outputs: int = 1, *, loss: Loss = SQUARED_ERROR, metric: Metric = R2
    ) -> Task:
        """Build a task that predicts one or several numbers."""
        return cls(name, TaskKind.REGRESSION, loss, metric, n_outputs=n_outputs)

    @classmethod
    def binary(cls, name: str, *, loss: Loss = BINARY_CROSS_ENTROPY, metric: Metric = ACCURACY) -> Task:
        """Build a task that answers yes or no."""
        return cls(name, TaskKind.BINARY, loss, metric)

    @classmethod
    def multiclass(
        cls, name: str, n_classes: int, *, loss: Loss = CROSS_ENTROPY, metric: Metric = ACCURACY
    ) -> Task:
        """Build a task that picks one of `n_classes`."""
        return cls(name, TaskKind.MULTICLASS, loss, metric, n_outputs=n_classes)

    @classmethod
    def dense_map(cls, name: str, n_pixels: int, *, loss: Loss = SQUARED_ERROR, metric: Metric = R2) -> Task:
        """Build a task that predicts a real number at each of `n_pixels`."""
        return cls(name, TaskKind.DENSE_MAP, loss, metric, n_outputs=n_pixels)

    @classmethod
    def multilabel(
        cls, name: str, n_labels: int, *, loss: Loss = BINARY_CROSS_ENTROPY, metric: Metric = ACCURACY
    ) -> Task:
        """Build a task that answers yes or no to each of `n_labels`."""
        return cls(name, TaskKind.MULTILABEL, loss, metric, n_outputs=n_labels)

    @classmethod
    def class_map(
        cls,
        name: str,
        n_classes: int,
        n_pixels: int,
        *,
        loss: Loss = CROSS_ENTROPY,
        metric: Metric = MEAN_IOU,
    ) -> Task:
        """Build a task that picks one of `n_classes` at each of `n_pixels`."""
        return cls(name, TaskKind.CLASS_MAP, loss, metric, n_outputs=n_classes * n_pixels)

    @classmethod
    def normals(
        cls, name: str, n_pixels: int, *, loss: Loss = COSINE, metric: Metric = ANGULAR_ERROR
    ) -> Task:
        """Build a task that predicts a direction in space at each of `n_pixels`."""
        return cls(name, TaskKind.NORMALS, loss, metric, n_outputs=3 * n_pixels)

    @classmethod
    def ranking(cls, name: str, question: int, candidates: tuple[int, ...]) -> Task:
        """Build a task that picks, for one segment of a row, the right one of several other segments."""
        reads = (question, *candidates)
        return cls(name, TaskKind.RANKING, CROSS_ENTROPY, ACCURACY, n_outputs=len(candidates), reads=reads)
