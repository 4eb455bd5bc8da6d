"""Tasks and sizes that a job defines itself, where what is trained is known to its trainer only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval, Len, MaxLen

from grouping.domain.fields import check
from grouping.domain.tasks import REPORTED, Direction, Metric, Name, Scale, Task, check_name
from grouping.errors import InvalidInputError

MAX_SIZES = 16
Weight = Annotated[float, Interval(gt=0, le=1e6)]
Positive = Annotated[float, Interval(gt=0, le=1e9)]


class Better(StrEnum):
    """Which values of a metric are better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A task as a job defines it: the value that its trainer reports, and what counts.

    Attributes:
        name: name of the task, as the trainer is given it.
        metric: name of what the trainer reports for it, such as ``rmse``.
        unit: unit of those values, such as ``mm/s``.
        direction: which values are better, lower or higher.
        best: value of a perfect prediction, where higher is better; the loss is how far a value is below it.
            Use 100 for percentages, and for a metric without an upper end a value that is never reached.
        weight: weight of the task in the total loss.
        scale: what its loss is divided by in the total loss: single, for its own single-task loss as measured
            at full size; a number; or none.
        reference: value of its metric to compare with, such as that of the system in use.
        must_not_worsen: whether it must be served no worse than by its own full-size single-task network.
    """

    name: Name
    metric: Annotated[str, Len(1, 100)] = "loss"
    unit: Annotated[str, MaxLen(30)] = ""
    direction: Better = Better.LOWER
    best: Annotated[float, Interval(ge=-1e9, le=1e9)] = 1.0
    weight: Weight = 1.0
    scale: Positive | Scale = Scale.SINGLE
    reference: Annotated[float | None, Interval(ge=-1e15, le=1e15)] = None
    must_not_worsen: bool = False

    def __post_init__(self) -> None:
        check(self)
        check_name(self.name, "task")
        if not isinstance(self.scale, Scale) and not 0 < self.scale <= 1e9:
            raise InvalidInputError("A scale is a positive number, single or none.", pointer="/scale")

    def task(self) -> Task:
        """Return the task of the score table."""
        is_lower = self.direction is Better.LOWER
        direction = Direction.LOWER_IS_BETTER if is_lower else Direction.HIGHER_IS_BETTER
        return Task(
            self.name,
            loss=REPORTED,
            metric=Metric(self.metric, direction, unit=self.unit),
            weight=self.weight,
            scale=self.scale,
            best=self.best,
            reference=self.reference,
            must_not_worsen=self.must_not_worsen,
        )


MEASURED = "measured"
"""In place of the cost of a size: it is measured once, before the search."""


@dataclass(frozen=True, slots=True)
class SizeVariant:
    """A size that the trainer can build, by the name that it has there.

    Attributes:
        name: name of the variant, as the trainer is given it, such as ``resnet18``.
        cost: inference cost of a network of this size, relative to that of the first size, which has 1.
        width: number of the size in names of networks; its cost unless given.
        costs: further inference costs by name, such as ``latency_ms``; every size has the same ones.
        is_to_be_measured: whether the cost is still to be measured, when the job is prepared; until then its
            width stands for it.
    """

    name: Annotated[str, Len(1, 100)]
    cost: Annotated[float, Interval(gt=0, le=1000)]
    width: Annotated[float | None, Interval(gt=0, le=8)] = None
    costs: Annotated[Mapping[Name, Annotated[float, Interval(ge=0, le=1e12)]], MaxLen(20)] = field(
        default_factory=dict
    )
    is_to_be_measured: bool = False

    def __post_init__(self) -> None:
        check(self)
        check_name(self.name, "size")
        if self.is_to_be_measured and self.width is None:
            raise InvalidInputError(
                f"The cost of {self.name!r} is to be measured: give it a width.", pointer="/cost"
            )

    @property
    def number(self) -> float:
        """Number of the size in names of networks; 1 for the full size."""
        return self.cost if self.width is None else self.width


def check_sizes(sizes: tuple[SizeVariant, ...]) -> None:
    """Refuse sizes that do not fit together.

    Raises:
        InvalidInputError: if the first is not the full size, two are the same, or further costs are missing.
    """
    if not sizes:
        return
    if sizes[0].cost != 1 or sizes[0].number != 1 or sizes[0].is_to_be_measured:
        raise InvalidInputError(
            "The first size is the full size: its cost is 1, and those of the others are relative to it.",
            pointer="/sizes/0/cost",
        )
    for place, size in enumerate(sizes):
        before = sizes[:place]
        if size.name in {other.name for other in before}:
            raise InvalidInputError(f"Two sizes are named {size.name!r}.", pointer=f"/sizes/{place}/name")
        if size.number in {other.number for other in before}:
            raise InvalidInputError(
                f"Two sizes have the number {size.number:g}; give one another cost, or a width of its own.",
                pointer=f"/sizes/{place}/cost",
            )
        if missing := sorted(set(sizes[0].costs) ^ set(size.costs)):
            raise InvalidInputError(
                f"Every size needs the same further costs; {', '.join(missing)} is not given for all.",
                pointer=f"/sizes/{place}/costs",
            )
