"""The budget curve: total loss of the best grouping over the inference budget, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.groupings import SolutionStatus
from grouping.domain.percentages import fixed_percent
from grouping.plots.scales import AxisScale, labels, nice_ticks
from grouping.plots.svg import BLUE, GROUND, MUTED, ORANGE, RULE, document, element, shortened, text
from grouping.solver import BaselinePoint, Curve, CurvePoint

WIDTH, HEIGHT = 760.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 30.0, 46.0, 56.0

_VALIDATION = {"stroke": BLUE, "class_": "plot-validation"}
_TEST = {"stroke": ORANGE, "class_": "plot-test"}
_RANDOM: dict[str, str | float] = {
    "stroke": MUTED,
    "stroke_width": 1.5,
    "stroke_dasharray": "1.5 4",
    "stroke_linecap": "round",
    "class_": "plot-random",
}


def curve_svg(
    curve: Curve, *, highlight_snt: float | None = None, unit: str = "SNT", name: str = "curve"
) -> str:
    """Draw a curve.

    The validation loss, on which groupings are chosen, is a step line: a budget between two points buys what
    the smaller one does; such a point is drawn small. A dotted line is the mean of random groupings. The test
    loss is only reported. Lower is better.

    Args:
        curve: budgets, groupings and baselines.
        highlight_snt: a budget to mark.
        unit: unit of the budgets.
        name: prefix of the identifiers inside; unique within a page.
    """
    solved = [point for point in curve.points if point.solution.loss is not None]
    title = "Total loss over the inference budget"
    if not solved:
        message = "No grouping covers every task."
        middle = text(message, WIDTH / 2, HEIGHT / 2, text_anchor="middle", class_="plot-note")
        return document(middle, width=WIDTH, height=HEIGHT, title=title, description=message, name=name)
    x, y = _scales(solved, curve.baselines)
    parts = [_axes(x, y, unit)]
    if highlight_snt is not None and x.ticks[0] <= highlight_snt <= x.ticks[-1]:
        parts.append(_marker_line(x(highlight_snt), y))
    tests = [(p.solution.budget_snt, p.test_loss) for p in solved if p.test_loss is not None]
    if tests:
        parts.append(_steps(x, y, tests, dashed=True))
        parts += [_square(x(budget), y(loss)) for budget, loss in tests]
    chances = [(p.solution.budget_snt, p.random.mean) for p in solved if p.random is not None]
    if chances:
        parts.append(_chance_line(x, y, chances))
    losses = [(p.solution.budget_snt, p.solution.loss or 0.0) for p in solved]
    parts.append(_steps(x, y, losses, dashed=False))
    parts += [_dot(x, y, point, unit) for point in solved]
    parts += _baseline_marks(x, y, curve.baselines)
    parts.append(_legend(bool(tests), bool(curve.baselines), bool(chances)))
    return document(
        *parts, width=WIDTH, height=HEIGHT, title=title, description=_describe(solved, curve, unit), name=name
    )


def _describe(solved: Sequence[CurvePoint], curve: Curve, unit: str) -> str:
    first, last = solved[0].solution, solved[-1].solution
    sentences = [
        f"The validation loss is {first.loss:.4g} at {first.budget_snt:g} {unit} "
        f"and {last.loss:.4g} at {last.budget_snt:g} {unit}; lower is better."
    ]
    sentences += [f"Baseline {b.name}: {b.loss:.4g} at {b.cost_snt:g} {unit}." for b in curve.baselines]
    drawn = solved[-1].random
    if drawn is not None:
        sentences.append(f"Random groupings within {last.budget_snt:g} {unit}: {drawn.mean:.4g} on average.")
    return " ".join(sentences)


def _scales(solved: Sequence[CurvePoint], baselines: Sequence[BaselinePoint]) -> tuple[AxisScale, AxisScale]:
    budgets = [point.solution.budget_snt for point in solved] + [b.cost_snt for b in baselines]
    losses = [point.solution.loss or 0.0 for point in solved]
    losses += [point.test_loss for point in solved if point.test_loss is not None]
    losses += [baseline.loss for baseline in baselines]
    losses += [point.random.mean for point in solved if point.random is not None]
    low, high = min(budgets), max(budgets)
    x_ticks = nice_ticks(low, high if high > low else low + 1.0, 9)
    margin = (max(losses) - min(losses)) * 0.06
    y_ticks = nice_ticks(min(losses) - margin, max(losses) + margin, 6)
    return AxisScale(x_ticks, LEFT, WIDTH - RIGHT), AxisScale(y_ticks, HEIGHT - BOTTOM, TOP)


def _axes(x: AxisScale, y: AxisScale, unit: str) -> str:
    parts = []
    for tick, label in zip(y.ticks, labels(y.ticks), strict=True):
        at = y(tick)
        parts.append(element("line", x1=x.start, y1=at, x2=x.end, y2=at, stroke=RULE, class_="plot-rule"))
        parts.append(text(label, x.start - 10, at + 4.5, text_anchor="end", class_="plot-tick", fill=MUTED))
    for tick, label in zip(x.ticks, labels(x.ticks), strict=True):
        at = x(tick)
        parts.append(
            element("line", x1=at, y1=y.start, x2=at, y2=y.start + 5, stroke=MUTED, class_="plot-axis")
        )
        parts.append(text(label, at, y.start + 21, text_anchor="middle", class_="plot-tick", fill=MUTED))
    parts.append(
        element("line", x1=x.start, y1=y.start, x2=x.end, y2=y.start, stroke=MUTED, class_="plot-axis")
    )
    middle = (x.start + x.end) / 2
    label = "SNT; the full-size network costs 1" if unit == "SNT" else shortened(unit, 60)
    parts.append(text(f"inference budget ({label})", middle, HEIGHT - 10, text_anchor="middle"))
    centre = (y.start + y.end) / 2
    parts.append(text("total loss", 16, centre, text_anchor="middle", transform=f"rotate(-90 16 {centre:g})"))
    return element("g", *parts)


def _steps(x: AxisScale, y: AxisScale, points: Sequence[tuple[float, float]], *, dashed: bool) -> str:
    path = f"M{x(points[0][0]):.2f} {y(points[0][1]):.2f}"
    for budget, loss in points[1:]:
        path += f"H{x(budget):.2f}V{y(loss):.2f}"
    path += f"H{x.end:.2f}"
    look = _TEST if dashed else _VALIDATION
    return element(
        "path",
        d=path,
        fill="none",
        stroke_width=1.75 if dashed else 2.5,
        stroke_dasharray="5 4" if dashed else None,
        stroke_linejoin="round",
        **look,
    )


def _chance_line(x: AxisScale, y: AxisScale, points: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{x(budget):.2f} {y(loss):.2f}" for budget, loss in points)
    marks = [
        element("circle", cx=x(budget), cy=y(loss), r=2, fill=MUTED, class_="plot-random-mark")
        for budget, loss in points
    ]
    return element("g", element("path", d=path, fill="none", **_RANDOM), *marks)


def _dot(x: AxisScale, y: AxisScale, point: CurvePoint, unit: str) -> str:
    solution = point.solution
    proven = solution.status is SolutionStatus.OPTIMAL
    gap = (
        "not proven"
        if solution.gap is None
        else f"at most {fixed_percent(solution.gap, 2)} above the optimum"
    )
    proof = "proven optimal" if proven else gap
    more = "; a smaller budget reaches the same" if point.is_dominated else ""
    tip = f"{solution.budget_snt:g} {unit}: validation loss {solution.loss:.5g}, {proof}{more}"
    return element(
        "circle",
        element("title", tip),
        cx=x(solution.budget_snt),
        cy=y(solution.loss or 0.0),
        r=2.25 if point.is_dominated else 4.5,
        fill=BLUE if proven else GROUND,
        stroke=BLUE,
        stroke_width=2.0,
        class_="plot-proven" if proven else "plot-unproven",
    )


def _square(at_x: float, at_y: float) -> str:
    return element("rect", x=at_x - 3, y=at_y - 3, width=6, height=6, fill=ORANGE, class_="plot-test-mark")


def _baseline_marks(x: AxisScale, y: AxisScale, baselines: Sequence[BaselinePoint]) -> list[str]:
    parts = []
    for baseline in baselines:
        at_x, at_y = x(baseline.cost_snt), y(baseline.loss)
        is_right = at_x > (x.start + x.end) * 0.62
        parts.append(_diamond(at_x, at_y, f"{baseline.name}: validation loss {baseline.loss:.5g}"))
        parts.append(
            text(
                baseline.name,
                at_x - 11 if is_right else at_x + 11,
                at_y + 20 if at_x < x.start + 60 else at_y - 8,
                text_anchor="end" if is_right else "start",
                stroke=GROUND,
                stroke_width=4.0,
                paint_order="stroke",
                class_="plot-label",
            )
        )
    return parts


def _diamond(at_x: float, at_y: float, tip: str = "") -> str:
    return element(
        "path",
        element("title", tip) if tip else "",
        d=f"M{at_x:.2f} {at_y - 7:.2f}l7 7l-7 7l-7 -7z",
        fill=GROUND,
        stroke="currentColor",
        stroke_width=2.0,
        class_="plot-baseline",
    )


def _marker_line(at_x: float, y: AxisScale) -> str:
    return element(
        "line",
        x1=at_x,
        y1=y.start,
        x2=at_x,
        y2=y.end,
        stroke="currentColor",
        stroke_width=1.0,
        stroke_dasharray="2 3",
        class_="plot-highlight",
    )


def _legend(has_test: bool, has_baselines: bool, has_random: bool) -> str:
    line = {"y1": 20.0, "y2": 20.0, "stroke_width": 2.5}
    parts = [
        element("line", x1=LEFT, x2=LEFT + 28, **line, **_VALIDATION),
        element("circle", cx=LEFT + 14, cy=20, r=4.5, fill=BLUE, class_="plot-proven"),
        text("best grouping, validation", LEFT + 38, 24.5),
    ]
    at = LEFT + 212
    if has_test:
        parts += [
            element("line", x1=at, x2=at + 28, stroke_dasharray="5 4", **line, **_TEST),
            _square(at + 14, 20),
            text("the same, test", at + 38, 24.5),
        ]
        at += 148
    if has_baselines:
        parts += [_diamond(at + 10, 20), text("baseline, validation", at + 26, 24.5)]
        at += 166
    if has_random:
        parts += [
            element("path", d=f"M{at:.2f} 20h28", fill="none", **_RANDOM),
            text("random, mean", at + 38, 24.5),
        ]
    return element("g", *parts, class_="plot-legend")
