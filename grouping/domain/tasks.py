"""Tasks: what is predicted, by which loss it is trained and by which metric it is judged."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from annotated_types import Len

from grouping.errors import InvalidInputError

MAX_NAME_LENGTH = 100
MAX_TASKS = 200
Name = Annotated[str, Len(1, MAX_NAME_LENGTH)]
"""A name of a task, a problem or a method."""


class TaskKind(StrEnum):
    """The shape of a task's target."""

    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"
    DENSE_MAP = "dense_map"
    RANKING = "ranking"
    """Which of several candidates is the right one: the target is its place, as a class number."""
    UNSPECIFIED = "unspecified"
    """Known only as a column of losses, as in an imported score table."""


class Direction(StrEnum):
    """Which way a metric improves."""

    LOWER_IS_BETTER = "lower_is_better"
    HIGHER_IS_BETTER = "higher_is_better"


class Loss(StrEnum):
    """Loss of a task, divided by what the best constant prediction scores on the training rows.

    A loss of 1 is therefore what a predictor without inputs gets, and losses of different kinds may be
    added. The constants come from the training rows only.
    """

    SQUARED_ERROR = "squared_error"
    """Mean squared error divided by the variance of the target (for maps: the mean variance of a pixel)."""
    CROSS_ENTROPY = "cross_entropy"
    """Cross entropy divided by the entropy of the class frequencies."""
    BINARY_CROSS_ENTROPY = "binary_cross_entropy"
    """Binary cross entropy divided by the entropy of the positive rate."""
    UNSPECIFIED = "unspecified"
    """An imported number of which only the direction is known: lower is better."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that people read beside the loss.

    Attributes:
        name: such as ``accuracy`` or ``r2``.
        direction: which way it improves.
    """

    name: str
    direction: Direction


ACCURACY = Metric("accuracy", Direction.HIGHER_IS_BETTER)
R2 = Metric("r2", Direction.HIGHER_IS_BETTER)


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
class Task:
    """One thing to predict.

    Attributes:
        name: unique within a problem.
        kind: the shape of its target.
        loss: what it is trained on; lower is better.
        metric: what it is reported by besides the loss, if anything.
        weight: its weight in the total loss of a grouping, positive; 1 in the paper.
        n_outputs: width of its head: classes, candidates, pixels of the map, or numbers predicted; 1 for
            binary.
        reads: which segments of a row it is about, where a row holds several texts side by side: numbers from
            0, in order; empty for all of a row. A ranking reads what is asked and then the candidates.
            Encoders without segments take no notice.
    """

    name: str
    kind: TaskKind = TaskKind.UNSPECIFIED
    loss: Loss = Loss.UNSPECIFIED
    metric: Metric | None = None
    weight: float = 1.0
    n_outputs: int = 1
    reads: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, "task")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InvalidInputError(f"Task {self.name!r}: the weight must be a positive number.")
        if self.n_outputs < 1:
            raise InvalidInputError(f"Task {self.name!r}: a head needs at least one output.")
        if len(set(self.reads)) != len(self.reads) or any(segment < 0 for segment in self.reads):
            raise InvalidInputError(f"Task {self.name!r} reads segments by different numbers, from 0.")
        if self.kind is TaskKind.RANKING and self.reads and len(self.reads) != self.n_outputs + 1:
            raise InvalidInputError(
                f"Task {self.name!r} ranks {self.n_outputs} candidates, so it reads {self.n_outputs + 1} "
                f"segments: what is asked, and the candidates. It names {len(self.reads)}."
            )

    def with_weight(self, weight: float) -> Task:
        """The same task with another weight in the total loss."""
        return replace(self, weight=weight)

    def reading(self, *segments: int) -> Task:
        """The same task about these segments of a row."""
        return replace(self, reads=segments)

    def as_mapping(self) -> dict[str, Any]:
        """All fields, ready for JSON; `reads` only where it says something, as in older documents."""
        fields = asdict(self)
        reads = list(fields.pop("reads"))
        return fields | ({"reads": reads} if reads else {})

    @classmethod
    def regression(cls, name: str, n_outputs: int = 1) -> Task:
        """A task that predicts one or several numbers."""
        return cls(name, TaskKind.REGRESSION, Loss.SQUARED_ERROR, R2, n_outputs=n_outputs)

    @classmethod
    def binary(cls, name: str) -> Task:
        """A task that answers yes or no."""
        return cls(name, TaskKind.BINARY, Loss.BINARY_CROSS_ENTROPY, ACCURACY)

    @classmethod
    def multiclass(cls, name: str, n_classes: int) -> Task:
        """A task that picks one of `n_classes`."""
        return cls(name, TaskKind.MULTICLASS, Loss.CROSS_ENTROPY, ACCURACY, n_outputs=n_classes)

    @classmethod
    def dense_map(cls, name: str, n_pixels: int) -> Task:
        """A task that predicts a real number at each of `n_pixels`."""
        return cls(name, TaskKind.DENSE_MAP, Loss.SQUARED_ERROR, R2, n_outputs=n_pixels)

    @classmethod
    def ranking(cls, name: str, question: int, candidates: tuple[int, ...]) -> Task:
        """A task that picks one of several candidates, each a segment of the row, for another segment."""
        reads = (question, *candidates)
        return cls(
            name, TaskKind.RANKING, Loss.CROSS_ENTROPY, ACCURACY, n_outputs=len(candidates), reads=reads
        )
