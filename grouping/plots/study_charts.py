"""Charts of a study: effects of pairs by setup, and one kind of effect against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.plots.scales import AxisScale, labels, nice_ticks
from grouping.plots.svg import BLUE, GROUND, MUTED, RULE, document, element, escaped, shortened, text

WIDTH, HEIGHT = 680.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 24.0, 22.0, 58.0


@dataclass(frozen=True, slots=True)
class PairEffect:
    """Effect of a pair in percent, with its standard error if there is one."""

    name: str
    value: float
    error: float | None = None


@dataclass(frozen=True, slots=True)
class SetupColumn:
    """Column of the effects in one setup.

    Attributes:
        name: name of the setup.
        effects: effects by pair; those of one name are joined from column to column.
        mean: mean of the effects.
        low: lower end of the interval of the mean; None for no interval.
        high: upper end.
    """

    name: str
    effects: tuple[PairEffect, ...]
    mean: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class EffectPoint:
    """One pair as a point: two effects in percent."""

    name: str
    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None


def setups_svg(columns: Sequence[SetupColumn], *, title: str, axis: str, name: str) -> str:
    """Draw a column of dots for every setup, thin lines between those of one pair, and the means.

    Args:
        columns: columns from left to right.
        title: title of the picture.
        axis: what the columns differ in.
        name: prefix of the identifiers inside; unique within a page.
    """
    values = [effect.value for column in columns for effect in column.effects]
    if not values:
        return _empty(title, name)
    ends = [end for column in columns for end in (column.low, column.high) if end is not None]
    y = AxisScale(nice_ticks(min(0.0, *values, *ends), max(0.0, *values, *ends)), HEIGHT - BOTTOM, TOP)
    step = (WIDTH - LEFT - RIGHT) / len(columns)
    places = [LEFT + step * (i + 0.5) for i in range(len(columns))]
    parts = [_horizontal(y), _zero(y)]
    known: dict[str, list[tuple[float, float]]] = {}
    for at, column in zip(places, columns, strict=True):
        for effect in column.effects:
            known.setdefault(effect.name, []).append((at, y(effect.value)))
    parts += [_path(points) for points in known.values() if len(points) > 1]
    for at, column in zip(places, columns, strict=True):
        parts += [_dot(at, y(e.value), f"{e.name}, {column.name}: {_shown(e)}") for e in column.effects]
        parts.append(_mean(at, y, column))
        parts.append(text(shortened(column.name, 24), at, HEIGHT - BOTTOM + 22, text_anchor="middle"))
    parts.append(
        text(
            axis,
            (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 10,
            text_anchor="middle",
            fill=MUTED,
            class_="plot-tick",
        )
    )
    parts.append(_upright("gain over alone (%)", y))
    said = " ".join(f"{c.name}: mean {c.mean:+.1f} %." for c in columns if c.mean is not None)
    description = f"Effects of {len(known)} ordered pairs of tasks; above zero helps. {said}"
    return document(*parts, width=WIDTH, height=HEIGHT, title=title, description=description, name=name)


def scatter_svg(points: Sequence[EffectPoint], *, title: str, x_axis: str, y_axis: str, name: str) -> str:
    """Draw a dot with its standard errors for every pair.

    Args:
        points: the pairs.
        title: title of the picture.
        x_axis: name of the effect to the right, in percent.
        y_axis: name of the effect upwards, in percent.
        name: prefix of the identifiers inside; unique within a page.
    """
    if not points:
        return _empty(title, name)
    x = AxisScale(_ticks([(p.x, p.x_error) for p in points]), LEFT, WIDTH - RIGHT)
    y = AxisScale(_ticks([(p.y, p.y_error) for p in points]), HEIGHT - BOTTOM, TOP)
    parts = [_horizontal(y), _vertical(x, y), _zero(y)]
    parts.append(element("line", x1=x(0), x2=x(0), y1=y.start, y2=y.end, stroke=MUTED, class_="plot-axis"))
    parts += [mark for point in points for mark in _error_marks(point, x, y)]
    for point in points:
        tip = f"{point.name}: {x_axis} {point.x:+.1f} %, {y_axis} {point.y:+.1f} %"
        parts.append(_dot(x(point.x), y(point.y), tip, radius=4.5))
    parts.append(text(f"{x_axis} (%)", (x.start + x.end) / 2, HEIGHT - 10, text_anchor="middle"))
    parts.append(_upright(f"{y_axis} (%)", y))
    description = f"{len(points)} ordered pairs of tasks, with standard errors over seeds; above zero helps."
    return document(*parts, width=WIDTH, height=HEIGHT, title=title, description=description, name=name)


_ERROR: dict[str, str | float] = {
    "stroke": MUTED,
    "stroke_width": 1.0,
    "stroke_opacity": 0.6,
    "class_": "plot-random",
}


def _error_marks(point: EffectPoint, x: AxisScale, y: AxisScale) -> list[str]:
    marks = []
    at_x, at_y = x(point.x), y(point.y)
    if point.x_error is not None:
        ends = x(point.x - point.x_error), x(point.x + point.x_error)
        marks.append(element("line", x1=ends[0], x2=ends[1], y1=at_y, y2=at_y, **_ERROR))
    if point.y_error is not None:
        ends = y(point.y - point.y_error), y(point.y + point.y_error)
        marks.append(element("line", x1=at_x, x2=at_x, y1=ends[0], y2=ends[1], **_ERROR))
    return marks


def _ticks(values: Sequence[tuple[float, float | None]]) -> tuple[float, ...]:
    ends = [value + sign * (error or 0.0) for value, error in values for sign in (-1, 1)]
    return nice_ticks(min(0.0, *ends), max(0.0, *ends))


def _horizontal(y: AxisScale) -> str:
    parts = []
    for tick, label in zip(y.ticks, labels(y.ticks), strict=True):
        parts.append(
            element(
                "line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), stroke=RULE, class_="plot-rule"
            )
        )
        parts.append(text(label, LEFT - 10, y(tick) + 4.5, text_anchor="end", fill=MUTED, class_="plot-tick"))
    return element("g", *parts)


def _vertical(x: AxisScale, y: AxisScale) -> str:
    parts = []
    for tick, label in zip(x.ticks, labels(x.ticks), strict=True):
        parts.append(
            element("line", x1=x(tick), x2=x(tick), y1=y.start, y2=y.end, stroke=RULE, class_="plot-rule")
        )
        parts.append(text(label, x(tick), y.start + 20, text_anchor="middle", fill=MUTED, class_="plot-tick"))
    return element("g", *parts)


def _zero(y: AxisScale) -> str:
    return element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(0), y2=y(0), stroke=MUTED, class_="plot-axis")


def _path(points: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{at_x:.2f} {at_y:.2f}" for at_x, at_y in points)
    return element(
        "path", d=path, fill="none", stroke=MUTED, stroke_width=1.0, stroke_opacity=0.45, class_="plot-helps"
    )


def _dot(at_x: float, at_y: float, tip: str, radius: float = 3.5) -> str:
    return element(
        "circle",
        element("title", escaped(tip)),
        cx=at_x,
        cy=at_y,
        r=radius,
        fill=BLUE,
        fill_opacity=0.75,
        class_="plot-bar",
    )


def _mean(at: float, y: AxisScale, column: SetupColumn) -> str:
    if column.mean is None:
        return ""
    parts = []
    tip = f"{column.name}: mean {column.mean:+.2f} %"
    if column.low is not None and column.high is not None:
        tip += f", 95 % interval {column.low:+.2f} to {column.high:+.2f} %"
        parts.append(
            element(
                "line",
                x1=at + 20,
                x2=at + 20,
                y1=y(column.low),
                y2=y(column.high),
                stroke="currentColor",
                stroke_width=2.0,
            )
        )
    parts.append(
        element(
            "path",
            element("title", escaped(tip)),
            d=f"M{at + 20:.2f} {y(column.mean) - 6:.2f}l6 6l-6 6l-6 -6z",
            fill=GROUND,
            stroke="currentColor",
            stroke_width=2.0,
            class_="plot-baseline",
        )
    )
    return element("g", *parts)


def _upright(label: str, y: AxisScale) -> str:
    centre = (y.start + y.end) / 2
    return text(label, 16, centre, text_anchor="middle", transform=f"rotate(-90 16 {centre:g})")


def _shown(effect: PairEffect) -> str:
    spread = "" if effect.error is None else f" ± {effect.error:.1f}"
    return f"{effect.value:+.1f}{spread} %"


def _empty(title: str, name: str) -> str:
    message = "Nothing was measured."
    middle = text(message, WIDTH / 2, HEIGHT / 2, text_anchor="middle", class_="plot-note")
    return document(middle, width=WIDTH, height=HEIGHT, title=title, description=message, name=name)
