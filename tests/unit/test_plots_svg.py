"""Plots: well-formed, escaped, and true to the numbers."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.plots import curve_svg, grouping_svg
from grouping.plots.scales import AxisScale, labels, nice_ticks
from grouping.solver import Curve, solve, solve_curve
from tests.tables import random_table

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    labelled = (root.get("aria-labelledby") or "").split()
    assert [root.find(f"{SVG}title[@id='{labelled[0]}']"), root.find(f"{SVG}desc[@id='{labelled[1]}']")] != [
        None,
        None,
    ]
    for element in root.iter():
        assert element.tag not in (f"{SVG}style", f"{SVG}script")
        assert "style" not in element.attrib
        assert all(value not in ("nan", "inf") for value in element.attrib.values())
    return root


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.get("class") == name]


def test_a_curve_has_a_mark_for_each_budget_and_baseline() -> None:
    curve = solve_curve(random_table(1, n_tasks=4), (1.0, 2.0, 3.0))
    root = parsed(curve_svg(curve))
    in_legend = 1
    assert len(by_class(root, "plot-proven")) == 3 + in_legend
    assert len(by_class(root, "plot-baseline")) == len(curve.baselines) + in_legend
    assert len(by_class(root, "plot-test-mark")) == 3 + in_legend


def test_a_lower_loss_is_drawn_lower() -> None:
    curve = solve_curve(random_table(2, n_tasks=4), (1.0, 4.0))
    marks = by_class(parsed(curve_svg(curve)), "plot-proven")
    first, last = (float(mark.get("cy") or "nan") for mark in marks[:2])
    assert curve.points[0].solution.loss is not None
    assert curve.points[1].solution.loss is not None
    assert (curve.points[1].solution.loss < curve.points[0].solution.loss) == (last > first)


def test_a_curve_without_any_grouping_says_so() -> None:
    assert "No grouping covers every task" in curve_svg(Curve((), ()))
    parsed(curve_svg(solve_curve(random_table(1), (0.1,))))


def test_one_budget_is_enough_for_a_curve() -> None:
    parsed(curve_svg(solve_curve(random_table(1), (2.0,)), highlight_snt=2.0))


def test_a_network_is_as_wide_as_it_costs() -> None:
    grouping = Grouping(
        ("a", "b", "c"),
        (Network.of("a", size=0.5), Network.of("b", size=1), Network.of("c", size=2)),
        (0, 1, 2),
    )
    widths = [float(bar.get("width") or 0) for bar in by_class(parsed(grouping_svg(grouping)), "plot-bar")]
    assert widths[1] / widths[0] == pytest.approx(2, rel=1e-3)
    assert widths[2] / widths[1] == pytest.approx(2, rel=1e-3)


def test_serving_and_helping_lines_are_drawn_apart() -> None:
    both, alone = Network.of("a", "b"), Network.of("b", size=0.5)
    grouping = Grouping(("a", "b"), (alone, both), (1, 0))
    root = parsed(grouping_svg(grouping))
    serves = [line for line in by_class(root, "plot-serves") if line.tag == f"{SVG}path"]
    helps = [line for line in by_class(root, "plot-helps") if line.tag == f"{SVG}path"]
    assert (len(serves), len(helps)) == (2, 1)
    assert helps[0].get("stroke-dasharray")
    assert float(helps[0].get("stroke-width") or 9) < float(serves[0].get("stroke-width") or 0)


def test_names_are_escaped_and_shortened_with_the_whole_name_at_hand() -> None:
    long = "<b>&\"'" + "x" * 80
    root = parsed(grouping_svg(Grouping((long,), (Network.of(long),), (0,))))
    texts = ["".join(element.itertext()) for element in root.iter(f"{SVG}title")]
    assert texts.count(long) == 2
    assert all(len(element.text or "") < 60 for element in root.iter(f"{SVG}text"))


@given(st.integers(0, 1000), st.integers(1, 5))
def test_any_grouping_can_be_drawn(seed: int, n_tasks: int) -> None:
    table = random_table(seed, n_tasks=n_tasks)
    grouping = solve(table, float(np.ceil(n_tasks / 2)), max_ties=1).grouping
    assert grouping is not None
    parsed(grouping_svg(grouping))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_hold_the_range_and_are_evenly_spaced(low: float, span: float, n_wanted: int) -> None:
    high = low + span
    ticks = nice_ticks(low, high, n_wanted)
    slack = 1e-9 * max(abs(low), abs(high), span)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack - (ticks[1] - ticks[0]) * 1e-6
    assert 2 <= len(ticks) <= 2 * n_wanted + 2


def test_labels_have_the_decimals_their_distance_needs() -> None:
    assert labels((0.0, 0.5, 1.0)) == ("0.0", "0.5", "1.0")
    assert labels((-10.0, 0.0)) == ("−10", "0")
    assert labels((0.25, 0.3)) == ("0.25", "0.30")


def test_a_scale_maps_its_ends() -> None:
    scale = AxisScale((0.0, 1.0, 2.0), 100.0, 300.0)
    assert (scale(0), scale(1), scale(2)) == (100.0, 200.0, 300.0)


def test_the_tasks_of_a_network_are_drawn_together_and_no_lines_that_serve_cross() -> None:
    networks = (Network.of("b", "d"), Network.of("a", "c", "d"))
    root = parsed(grouping_svg(Grouping(("a", "b", "c", "d"), networks, (1, 0, 1, 0))))
    tasks = by_class(root, "plot-name")[:4]
    assert [task.text for task in sorted(tasks, key=lambda task: float(task.get("y") or 0))] == list("acbd")
    lines = [path.get("d") or "" for path in by_class(root, "plot-serves") if path.get("d")]
    ends = [(float(d.split()[1].partition("C")[0]), float(d.split()[-1])) for d in lines]
    assert len(ends) == 4
    assert [end for _, end in sorted(ends)] == sorted(end for _, end in ends)
