"""Axes: positions of values, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grouping.plots.svg import MINUS, SHORT_MINUS

ROUNDING = 1e-10
"""Values that are no further apart are drawn as equal; their differences are those of arithmetic."""


def nice_ticks(low: float, high: float, n_wanted: int = 6) -> tuple[float, ...]:
    """Return multiples of 1, 2 or 5 times a power of ten that reach from below `low` to above `high`."""
    span = high - low if high - low > ROUNDING else max(abs(high), 1.0) * 0.1
    rough = span / max(1, n_wanted - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        last += 1
    return tuple(round(step * i, 12) for i in range(first, last + 1))


def labels(ticks: Sequence[float]) -> tuple[str, ...]:
    """Format the ticks, all with the decimals their distance needs."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    if step >= 1 and step != int(step):
        decimals = 1
    return tuple(f"{tick:.{decimals}f}".replace(SHORT_MINUS, MINUS) for tick in ticks)


@dataclass(frozen=True, slots=True)
class AxisScale:
    """A linear axis.

    Attributes:
        ticks: labelled values; the first and the last are its ends.
        start: position of the first tick.
        end: position of the last tick.
    """

    ticks: tuple[float, ...]
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.start + (value - low) / (high - low) * (self.end - self.start)
