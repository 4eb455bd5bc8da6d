"""Resources that one training holds while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Interval

from grouping.domain.fields import STRICT, check
from grouping.errors import InvalidInputError


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
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise InvalidInputError(
                f"GPUs are a share of one or whole ones, not {self.gpus:g}.", pointer="/resources/gpus"
            )
        for name, amount in self.custom.items():
            if not name or not math.isfinite(amount) or amount <= 0:
                raise InvalidInputError(
                    f"The resource {name!r} needs a name and a positive amount.", pointer="/resources/custom"
                )

    def fit_into(self, available: Mapping[str, float]) -> int:
        """Return how many trainings fit at the same time.

        Args:
            available: amounts by Ray's names: ``CPU``, ``GPU``, ``memory`` in bytes, and custom ones.
        """
        wanted = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        if self.memory_gib is not None:
            wanted["memory"] = self.memory_gib * 2**30
        counts = [
            math.floor(available.get(name, 0.0) / amount + 1e-9) for name, amount in wanted.items() if amount
        ]
        return min(counts, default=1_000_000)

    def in_words(self) -> str:
        """Name what is needed, for people."""
        parts = [f"{self.cpus:g} CPU", *([f"{self.gpus:g} GPU"] if self.gpus else [])]
        parts += [f"{self.memory_gib:g} GiB"] if self.memory_gib is not None else []
        return ", ".join([*parts, *(f"{amount:g} {name}" for name, amount in self.custom.items())])
