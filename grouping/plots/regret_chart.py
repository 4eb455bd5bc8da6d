"""Regret chart: regret against what a search has spent, a line for each strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.score_table import FloatArray
from grouping.plots.axes import COLOURS, axes, look_of
from grouping.plots.scales import AxisScale, labels, nice_ticks
from grouping.plots.svg import MUTED, document, element, escaped, shortened, text

WIDTH, HEIGHT = 820.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 178.0, 20.0, 54.0
LEGEND_STEP = 34.0
LEAST = 1e-4
"""Regrets up to this one are drawn at the foot of a logarithmic axis."""


@dataclass(frozen=True, eq=False)
class RegretLine:
    """Line of one strategy in a regret chart.

    Attributes:
        name: name of the strategy.
        charges: ``[C]``, ascending.
        mean: ``[C]``, relative regret; NaN while there is no recommendation, which is not drawn.
        low: ``[C]``, relative regret of the best seed.
        high: ``[C]``, relative regret of the worst seed.
        end: charge at which the search ended; the line ends there.
    """

    name: str
    charges: FloatArray = field(repr=False)
    mean: FloatArray = field(repr=False)
    low: FloatArray = field(repr=False)
    high: FloatArray = field(repr=False)
    end: float


def regret_svg(
    lines: Sequence[RegretLine],
    *,
    is_log: bool = False,
    title: str = "Regret against trainings",
    name: str = "regret",
) -> str:
    """Draw lines of mean regret with bands from the best to the worst seed.

    A line starts where the strategy can first recommend groupings for all inference budgets, holds its value
    until the next measurement, and ends with a dot where its search ended.

    Args:
        lines: at least one; those without any number are named as never reaching a recommendation.
        is_log: logarithmic axis of the regret, whose foot stands for 0.01 % and less.
        title: title of the picture.
        name: prefix of the identifiers inside; unique within a page.
    """
    drawn = [_Drawn.of(i, line, is_log) for i, line in enumerate(lines)]
    with_numbers = [one for one in drawn if one.points]
    if not with_numbers:
        message = "No strategy has recommended anything yet."
        middle = text(message, WIDTH / 2, HEIGHT / 2, text_anchor="middle", class_="plot-note")
        return document(middle, width=WIDTH, height=HEIGHT, title=title, description=message, name=name)
    x, y, y_labels = _scales(with_numbers, is_log)
    parts = [axes(x, y, labels(x.ticks), y_labels, "trainings charged", "mean regret (%)")]
    parts += [one.band(x, y) for one in with_numbers]
    parts += [one.line(x, y) for one in with_numbers]
    parts.append(_legend(drawn))
    height = max(HEIGHT, TOP + LEGEND_STEP * len(drawn) + 8.0)
    return document(*parts, width=WIDTH, height=height, title=title, description=_describe(drawn), name=name)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A line in axis units: ``(charge, mean, low, high)`` where there is a mean."""

    index: int
    name: str
    points: tuple[tuple[float, float, float, float], ...]
    end: float
    last: float | None

    @classmethod
    def of(cls, index: int, line: RegretLine, is_log: bool) -> _Drawn:
        rows = zip(line.charges, line.mean, line.low, line.high, strict=True)
        kept = [tuple(map(float, row)) for row in rows if not math.isnan(row[1])]
        before_end = [row for row in kept if row[0] < line.end - 1e-9]
        if kept:  # nothing is trained after the end, so that what was measured last holds there
            before_end.append((max(line.end, kept[0][0]), *kept[-1][1:]))
        points = tuple(
            (charge, *(_height(value, is_log) for value in values)) for charge, *values in before_end
        )
        return cls(index, line.name, points, line.end, kept[-1][1] if kept else None)  # type: ignore[arg-type]

    @property
    def look(self) -> dict[str, str | float | None]:
        return look_of(self.index)

    def line(self, x: AxisScale, y: AxisScale) -> str:
        path = f"M{x(self.points[0][0]):.2f} {y(self.points[0][1]):.2f}"
        for charge, mean, _, _ in self.points[1:]:
            path += f"H{x(charge):.2f}V{y(mean):.2f}"
        end = max(self.end, self.points[-1][0])
        path += f"H{x(end):.2f}"
        tip = f"{self.name}: {_percent(self.last)} after {end:g}"
        dot = element(
            "circle",
            element("title", escaped(tip)),
            cx=x(end),
            cy=y(self.points[-1][1]),
            r=4,
            fill=COLOURS[self.index % len(COLOURS)],
            class_=f"plot-dot plot-series-{self.index % len(COLOURS)}",
        )
        stroke = element("path", d=path, fill="none", stroke_width=2.25, stroke_linejoin="round", **self.look)
        return element("g", stroke, dot)

    def band(self, x: AxisScale, y: AxisScale) -> str:
        if all(high - low < 1e-12 for _, _, low, high in self.points):
            return ""
        end = max(self.end, self.points[-1][0])
        following = [charge for charge, *_ in self.points[1:]] + [end]
        upper, lower = [], []
        for (charge, _, low, high), until in zip(self.points, following, strict=True):
            upper += [(x(charge), y(high)), (x(until), y(high))]
            lower += [(x(charge), y(low)), (x(until), y(low))]
        corners = " ".join(f"{px:.2f},{py:.2f}" for px, py in [*upper, *reversed(lower)])
        colour = COLOURS[self.index % len(COLOURS)]
        look = f"plot-band plot-series-{self.index % len(COLOURS)}"
        return element("polygon", points=corners, fill=colour, fill_opacity=0.13, stroke="none", class_=look)


def _height(regret: float, is_log: bool) -> float:
    return math.log10(max(regret, LEAST)) if is_log else 100.0 * regret


def _percent(regret: float | None) -> str:
    return "no recommendation" if regret is None else f"{fixed_percent(regret, 2)} regret"


def _scales(drawn: Sequence[_Drawn], is_log: bool) -> tuple[AxisScale, AxisScale, tuple[str, ...]]:
    ends = [max(one.end, one.points[-1][0]) for one in drawn]
    x = AxisScale(nice_ticks(0.0, max(*ends, 1.0), 8), LEFT, WIDTH - RIGHT)
    heights = [value for one in drawn for _, *values in one.points for value in values]
    if is_log:
        least = round(math.log10(LEAST))
        highest = max(*heights, least + 1.0)
        ticks = tuple(float(power) for power in range(least, math.floor(highest) + 1))
        if highest > ticks[-1]:
            steps = (ticks[-1] + math.log10(step) for step in (2, 5, 10))
            ticks = (*ticks, next(top for top in steps if top >= highest - 1e-9))
        y_labels = tuple(f"{100 * 10**tick:g}" for tick in ticks)
        y_labels = (f"≤ {y_labels[0]}", *y_labels[1:])
    else:
        ticks = nice_ticks(min(0.0, *heights), max(heights), 6)
        y_labels = labels(ticks)
    return x, AxisScale(ticks, HEIGHT - BOTTOM, TOP), y_labels


def _legend(drawn: Sequence[_Drawn]) -> str:
    """Draw names beside the picture, the best at the end first."""
    order = sorted(drawn, key=lambda one: (one.last is None, one.last or 0.0, one.index))
    parts = []
    for i, one in enumerate(order):
        at_x, at_y = WIDTH - RIGHT + 18, TOP + 14 + LEGEND_STEP * i
        if one.points:
            parts.append(
                element("line", x1=at_x, x2=at_x + 26, y1=at_y, y2=at_y, stroke_width=2.25, **one.look)
            )
        parts.append(text(shortened(one.name, 17), at_x + 34, at_y + 4.5))
        said = "no recommendation" if one.last is None else f"{fixed_percent(one.last, 2)} at {one.end:.3g}"
        parts.append(text(said, at_x + 34, at_y + 19, font_size=11.0, class_="plot-tick", fill=MUTED))
    return element("g", *parts, class_="plot-legend")


def _describe(drawn: Sequence[_Drawn]) -> str:
    said = [
        f"{one.name}: never a recommendation for all budgets."
        if one.last is None
        else f"{one.name}: {fixed_percent(one.last, 2)} after {one.end:.3g} trainings."
        for one in drawn
    ]
    return "Mean regret over inference budgets and seeds, lower is better. " + " ".join(said)
