"""Gains of a grouping over baselines as bars to one scale: how large and how sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.percentages import fixed_percent, tenths
from grouping.domain.verdicts.verdict import Comparison
from grouping_api.web.wording import plural

LEAST_END = 0.05
"""The scale ends at least at this gain, so that noise does not look like an effect."""


@dataclass(frozen=True, slots=True)
class GainBar:
    """Bar of a gain, with places from 0 to 100; 50 is no gain.

    Attributes:
        baseline: what is compared with.
        text: the gain with its standard error.
        seeds: the number of fresh seeds.
        mark: ``good`` where it may be claimed, ``poor`` where it is a loss, else ``open``.
        start: place of the left end of the bar.
        width: width of the bar.
        low: place of the lower end of the interval of 95 %.
        high: place of its upper end.
    """

    baseline: str
    text: str
    seeds: str
    mark: str
    start: float
    width: float
    low: float
    high: float


def gain_bars(comparisons: Sequence[Comparison]) -> tuple[GainBar, ...]:
    """Draw gains to one scale; a baseline that is the grouping itself has none."""
    shown = [comparison for comparison in comparisons if not comparison.is_same]
    ends = [abs(value) for one in shown for value in (one.gain, *one.interval) if math.isfinite(value)]
    end = max([LEAST_END, *ends])

    def place(gain: float) -> float:
        return round(50 + 50 * gain / end, 2)

    return tuple(_bar(one, place(one.gain), *(place(v) for v in _interval(one))) for one in shown)


def _interval(one: Comparison) -> tuple[float, float]:
    low, high = one.interval
    return (low, high) if math.isfinite(low) else (one.gain, one.gain)


def _bar(one: Comparison, at: float, low: float, high: float) -> GainBar:
    noise = f" ± {fixed_percent(one.standard_error, 1)}" if math.isfinite(one.standard_error) else ""
    return GainBar(
        baseline=one.baseline,
        text=f"{tenths(100 * one.gain):+} %{noise}",
        seeds=plural(one.n_seeds, "fresh seed"),
        mark="good" if one.is_beaten else "poor" if one.gain < 0 else "open",
        start=min(50.0, at),
        width=round(abs(at - 50), 2),
        low=low,
        high=high,
    )
