"""Progress chart: the learning curves of one training, a line for each value that it told."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.trainings.progress import Progress
from grouping.plots.axes import axes, look_of
from grouping.plots.scales import AxisScale, labels, nice_ticks
from grouping.plots.svg import document, element, escaped, shortened, text

WIDTH, HEIGHT = 820.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 210.0, 20.0, 54.0
LEGEND_STEP = 20.0
MAX_LINES = 16
"""Lines that are drawn; of more, the first."""
LARGEST = 1e15
"""The largest step or value that is drawn, either way."""
MAX_LABEL = 22
"""Characters of a name in the legend."""


def progress_svg(
    points: Sequence[Progress], *, title: str = "Learning curves", name: str = "progress"
) -> str:
    """Draw what a training told, against its steps.

    Args:
        points: points in the order in which they were told; values beyond `LARGEST` are left out.
        title: title of the picture.
        name: prefix of the identifiers inside; unique within a page.
    """
    lines = _lines(points)
    shown = dict(list(lines.items())[:MAX_LINES])
    if not shown:
        note = text("No value can be drawn.", WIDTH / 2, HEIGHT / 2, text_anchor="middle", class_="plot-note")
        return document(note, width=WIDTH, height=HEIGHT, title=title, description="Empty.", name=name)
    steps = [step for line in shown.values() for step, _ in line]
    values = [value for line in shown.values() for _, value in line]
    x = AxisScale(_ticks(steps, 8), LEFT, WIDTH - RIGHT)
    y = AxisScale(_ticks(values, 6), HEIGHT - BOTTOM, TOP)
    parts = [axes(x, y, _labels(x.ticks), _labels(y.ticks), "step", "value")]
    parts += [_line(index, label, line, x, y) for index, (label, line) in enumerate(shown.items())]
    parts.append(_legend(list(shown), len(lines) - len(shown)))
    last = "; ".join(f"{label} {line[-1][1]:.4g}" for label, line in shown.items())
    said = f"Values told during the training, by step. The last: {last}."
    return document(*parts, width=WIDTH, height=HEIGHT, title=title, description=said, name=name)


def _lines(points: Sequence[Progress]) -> dict[str, list[tuple[float, float]]]:
    """Return step and value of each point, by the name of the value, in the order of appearance."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        drawn = {label: value for label, value in point.values.items() if abs(value) <= LARGEST}
        for label, value in drawn.items() if point.step <= LARGEST else ():
            lines.setdefault(label, []).append((point.step, value))
    return lines


def _ticks(values: Sequence[float], n_wanted: int) -> tuple[float, ...]:
    """Return ticks around values; those that are all but equal get some room."""
    low, high = min(values), max(values)
    room = max(1e-6, 1e-6 * max(abs(low), abs(high)))
    return nice_ticks(low, high, n_wanted) if high - low > room else nice_ticks(low - room, high + room, 3)


def _labels(ticks: Sequence[float]) -> tuple[str, ...]:
    return labels(ticks) if max(map(abs, ticks)) < 1e5 else tuple(f"{tick:.8g}" for tick in ticks)


def _line(index: int, label: str, line: Sequence[tuple[float, float]], x: AxisScale, y: AxisScale) -> str:
    look = look_of(index)
    last_x, last_y = line[-1]
    tip = element("title", escaped(f"{label}: {last_y:.4g} at {last_x:g}"))
    dot = element(
        "circle",
        tip,
        cx=x(last_x),
        cy=y(last_y),
        r=3,
        fill="currentColor",
        class_="plot-tick",
    )
    corners = " ".join(f"{x(step):.2f},{y(value):.2f}" for step, value in line)
    stroke = element("polyline", tip, points=corners, fill="none", stroke_width=2, **look)
    return element("g", stroke, dot)


def _short(names: Sequence[str]) -> list[str]:
    """Leave out what all names begin with where they are too long to tell them apart."""
    if len(names) < 2 or all(len(name) <= MAX_LABEL for name in names):
        return [shortened(name, MAX_LABEL) for name in names]
    pairs = zip(min(names), max(names), strict=False)  # of sorted names these two differ first
    start = next((place for place, (one, other) in enumerate(pairs) if one != other), len(min(names)))
    return [shortened(f"…{name[start:]}" if start > 1 else name, MAX_LABEL) for name in names]


def _legend(names: Sequence[str], n_left_out: int) -> str:
    parts = []
    at_x = WIDTH - RIGHT + 18
    for index, label in enumerate(_short(names)):
        at_y = TOP + 8 + LEGEND_STEP * index
        line = element("line", x1=at_x, x2=at_x + 26, y1=at_y, y2=at_y, stroke_width=2, **look_of(index))
        parts += [line, text(label, at_x + 34, at_y + 4.5)]
    if n_left_out:
        parts.append(text(f"and {n_left_out} more", at_x + 34, TOP + 12 + LEGEND_STEP * len(names)))
    return element("g", *parts, class_="plot-legend")
