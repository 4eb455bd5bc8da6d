"""Axes of a line chart: rules, ticks with their labels, and what they are of."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.plots.scales import AxisScale
from grouping.plots.svg import MUTED, RULE, element, text

COLOURS = ("#1f5fbf", "#b4540a", "#2e7d32", "#8e3b9e", "#00798c", "#a3142e", "#6b5b00", "#4a4e69")
"""Of the lines, in their order; a style sheet overrides them by the classes ``plot-series-0`` and so on."""
DASHES = (None, "7 3", "2 3", "9 3 2 3")


def look_of(index: int) -> dict[str, str | float | None]:
    """Return colour, dashes and class of a line, by its place among the lines."""
    return {
        "stroke": COLOURS[index % len(COLOURS)],
        "stroke_dasharray": DASHES[(index // 2 + index // len(COLOURS)) % len(DASHES)],
        "class_": f"plot-line plot-series-{index % len(COLOURS)}",
    }


def axes(
    x: AxisScale, y: AxisScale, x_labels: Sequence[str], y_labels: Sequence[str], x_title: str, y_title: str
) -> str:
    """Draw both axes, with a rule at each tick of the vertical one.

    Args:
        x: horizontal axis.
        y: vertical axis.
        x_labels: labels of its ticks.
        y_labels: labels of its ticks.
        x_title: what the horizontal axis is of.
        y_title: what the vertical axis is of.
    """
    parts = []
    for tick, label in zip(y.ticks, y_labels, strict=True):
        at = y(tick)
        parts.append(element("line", x1=x.start, y1=at, x2=x.end, y2=at, stroke=RULE, class_="plot-rule"))
        parts.append(text(label, x.start - 9, at + 4.5, text_anchor="end", class_="plot-tick", fill=MUTED))
    for tick, label in zip(x.ticks, x_labels, strict=True):
        at = x(tick)
        mark = element("line", x1=at, y1=y.start, x2=at, y2=y.start + 5, stroke=MUTED, class_="plot-axis")
        parts.append(mark)
        parts.append(text(label, at, y.start + 20, text_anchor="middle", class_="plot-tick", fill=MUTED))
    parts.append(
        element("line", x1=x.start, y1=y.start, x2=x.end, y2=y.start, stroke=MUTED, class_="plot-axis")
    )
    middle, centre = (x.start + x.end) / 2, (y.start + y.end) / 2
    parts.append(text(x_title, middle, y.start + 44, text_anchor="middle"))
    turned = f"rotate(-90 16 {centre:g})"
    parts.append(text(y_title, 16, centre, text_anchor="middle", transform=turned))
    return element("g", *parts)
