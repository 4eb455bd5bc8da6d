"""Resources that one training holds while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import Interval, MaxLen

from grouping.domain.fields import STRICT, Shown, check
from grouping.errors import InvalidInputError

MAX_AT_ONCE = 1_000_000
"""What is said to fit at the same time where nothing limits it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Resources of one training, as Ray counts them.

    Attributes:
        cpus: processors.
        gpus: GPUs, or the share of one.
        memory_gib: main memory in GiB; None to reserve none.
        custom: amounts of resources that the operator of the cluster has named, such as ``a100``.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    cpus: Annotated[float, Interval(ge=0, le=4096)] = 1.0
    gpus: Annotated[float, Interval(ge=0, le=1024)] = 0.0
    memory_gib: Annotated[float | None, Interval(gt=0, le=65_536)] = None
    custom: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, "/resources")
        _check_share(self.gpus, "/resources/gpus")
        for name, amount in self.custom.items():
            if not name or not math.isfinite(amount) or amount <= 0:
                raise InvalidInputError(
                    f"The resource {name!r} needs a name and a positive amount.", pointer="/resources/custom"
                )

    @classmethod
    def of_all(cls, wanted: Iterable[Resources]) -> Resources:
        """Return what is enough for each of several trainings, at least one, that one worker carries out."""
        several = tuple(wanted)
        if all(one == several[0] for one in several):
            return several[0]
        memories = [one.memory_gib for one in several if one.memory_gib is not None]
        custom: dict[str, float] = {}
        for one in several:
            for name, amount in one.custom.items():
                custom[name] = max(amount, custom.get(name, 0.0))
        return cls(
            max(one.cpus for one in several),
            max(one.gpus for one in several),
            max(memories, default=None),
            custom,
        )

    def fit_into(self, available: Mapping[str, float]) -> int:
        """Return how many trainings fit at the same time.

        Args:
            available: amounts by Ray's names: ``CPU``, ``GPU``, ``memory`` in bytes, and custom ones;
                infinite where there is no limit.
        """
        shares = (available.get(name, 0.0) / amount for name, amount in self.amounts().items() if amount)
        return math.floor(min(MAX_AT_ONCE, *shares) + 1e-9)

    def lacking(self, available: Mapping[str, float]) -> tuple[str, ...]:
        """Name each amount that is needed and not there, for people; empty where one training fits.

        Args:
            available: amounts by Ray's names, as in `fit_into`.
        """
        needed = self.amounts()
        return tuple(
            f"{_in_words(name, amount)} (has {_number(name, available.get(name, 0.0))})"
            for name, amount in needed.items()
            if available.get(name, 0.0) < amount * (1 - 1e-9)
        )

    def amounts(self) -> dict[str, float]:
        """Return what is needed in all by Ray's names: ``CPU``, ``GPU``, ``memory`` in bytes, custom ones."""
        memory = {} if self.memory_gib is None else {"memory": self.memory_gib * 2**30}
        return {"CPU": self.cpus, "GPU": self.gpus, **memory, **self.custom}

    def in_words(self) -> str:
        """Name what is needed, for people."""
        parts = [f"{self.cpus:g} CPU", *([f"{self.gpus:g} GPU"] if self.gpus else [])]
        parts += [f"{self.memory_gib:g} GiB"] if self.memory_gib is not None else []
        return ", ".join([*parts, *(f"{amount:g} {name}" for name, amount in self.custom.items())])


_WRITTEN: Mapping[str, str] = {
    "cpu": "cpus",
    "cpus": "cpus",
    "gpu": "gpus",
    "gpus": "gpus",
    "memory": "memory_gib",
    "memory_gib": "memory_gib",
}
"""Names of amounts where people write them, and of the fields that they stand for."""


class Placement(StrEnum):
    """How the bundles of a training lie on the nodes of a cluster, as Ray calls it."""

    STRICT_PACK = "STRICT_PACK"
    """All on one node."""
    PACK = "PACK"
    """On as few nodes as possible."""
    SPREAD = "SPREAD"
    """On as many nodes as possible."""
    STRICT_SPREAD = "STRICT_SPREAD"
    """Each on a node of its own."""


@dataclass(frozen=True, slots=True)
class PlacedResources(Resources):
    """Resources of one training on Ray, with those of the workers that it starts itself.

    Attributes:
        cpus, gpus, memory_gib, custom: what the training itself holds, as in `Resources`.
        bundles: what each worker that it starts on Ray holds, by Ray's names, such as ``{CPU = 1, GPU = 1}``.
            With any, all is reserved together, as one placement group, before the training starts.
        placement: how the bundles lie on the nodes.
    """

    bundles: Annotated[tuple[Mapping[str, float], ...], MaxLen(1000)] = ()
    placement: Placement = Placement.STRICT_PACK

    def __post_init__(self) -> None:
        Resources.__post_init__(self)
        for bundle in (self.own_amounts(), *self.bundles) if self.bundles else ():
            if not bundle or not all(math.isfinite(amount) and amount > 0 for amount in bundle.values()):
                raise InvalidInputError(
                    "Each bundle, and the training itself, holds positive amounts of something, such as "
                    "{CPU = 1, GPU = 1}.",
                    pointer="/resources/bundles",
                )

    def own_amounts(self) -> dict[str, float]:
        """Return what the training itself holds, by Ray's names."""
        return {name: amount for name, amount in Resources.amounts(self).items() if amount}

    def amounts(self) -> dict[str, float]:
        """Return what the training and its workers hold together, by Ray's names."""
        total = Resources.amounts(self)
        for bundle in self.bundles:
            for name, amount in bundle.items():
                total[name] = total.get(name, 0.0) + amount
        return total

    def in_words(self) -> str:
        """Name what is needed, for people."""
        own = Resources.in_words(self)
        workers = [", ".join(f"{amount:g} {name}" for name, amount in one.items()) for one in self.bundles]
        return " and ".join([own, *(f"({worker})" for worker in workers)])


@dataclass(frozen=True, slots=True)
class StatedResources:
    """Resources that a job states for each of its trainings; what is None is left to its trainer.

    Attributes:
        cpus: processors that each training holds.
        gpus: GPUs that each training holds, or its share of one.
        memory_gib: main memory in GiB that each training reserves.
        custom: amounts that each training holds of resources that the operator of the cluster has named, such
            as a100.
    """

    cpus: Annotated[
        float | None,
        Interval(ge=0, le=4096),
        Shown("Processors per training", "--cpus", "as the trainer says"),
    ] = None
    gpus: Annotated[
        float | None, Interval(ge=0, le=1024), Shown("GPUs per training", "--gpus", "as the trainer says")
    ] = None
    memory_gib: Annotated[
        float | None,
        Interval(gt=0, le=65_536),
        Shown("Memory per training (GiB)", "--memory-gib", "as the trainer says"),
    ] = None
    custom: Annotated[
        Mapping[str, Annotated[float, Interval(gt=0, le=1e9)]] | None,
        MaxLen(20),
        Shown("Other resources per training", "--resource", "as the trainer says"),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        _check_share(self.gpus or 0.0, "/gpus")
        if self.custom is not None and not all(self.custom):
            raise InvalidInputError("Each resource needs a name.", pointer="/custom")

    @classmethod
    def parse(cls, text: str) -> StatedResources:
        """Read amounts such as ``gpu=1,cpu=4,memory=16``; other names are those of custom resources.

        Raises:
            InvalidInputError: if the text is not understood.
        """
        own: dict[str, float] = {}
        custom: dict[str, float] = {}
        for part in text.split(","):
            name, _, amount = part.partition("=")
            try:
                number = float(amount)
            except ValueError:
                raise InvalidInputError(
                    f"{part!r} is not understood; write NAME=AMOUNT, such as gpu=1,cpu=4,memory=16."
                ) from None
            known = _WRITTEN.get(name.strip())
            (own if known else custom)[known or name.strip()] = number
        return cls(**own, custom=custom or None)

    def __str__(self) -> str:
        """Write the amounts as `parse` reads them."""
        amounts = {name: value for name, value in self.stated.items() if name != "custom"}
        return ", ".join(f"{name}={value}" for name, value in {**amounts, **(self.custom or {})}.items())

    @property
    def is_empty(self) -> bool:
        """Whether everything is left to the trainer."""
        return self == StatedResources()

    @property
    def stated(self) -> Mapping[str, Any]:
        """What is stated, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, usual: Resources) -> Resources:
        """Return resources with what is stated here in place of what stands there."""
        return replace(usual, **self.stated)

    def beside(self, other: StatedResources) -> StatedResources:
        """Return what is stated here, and of `other` what is not."""
        return replace(other, **self.stated)


def _in_words(name: str, amount: float) -> str:
    return f"{_number(name, amount)} {'GiB of memory' if name == 'memory' else name}"


def _number(name: str, amount: float) -> str:
    return f"{amount / 2**30 if name == 'memory' else amount:.4g}"


def _check_share(gpus: float, pointer: str) -> None:
    if gpus > 1 and gpus != int(gpus):
        raise InvalidInputError(f"GPUs are a share of one or whole ones, not {gpus:g}.", pointer=pointer)
