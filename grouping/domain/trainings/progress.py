"""Progress of one training while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grouping.errors import InvalidInputError

MAX_VALUES = 200
"""The most values in one report."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A point of the learning curves of a training.

    Attributes:
        step: how far the training is, in the trainer's own unit, such as epochs; finite, not negative.
        values: what was measured there, by name, such as the validation loss of a task; finite.
    """

    step: float
    values: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.step) and self.step >= 0):
            raise InvalidInputError(f"A step is a number from 0, not {self.step}.", pointer="/step")
        if len(self.values) > MAX_VALUES:
            raise InvalidInputError(f"A report has at most {MAX_VALUES} values.", pointer="/values")
        if odd := [name for name, value in self.values.items() if not math.isfinite(value)]:
            raise InvalidInputError(f"The value of {odd[0]!r} is not finite.", pointer=f"/values/{odd[0]}")
