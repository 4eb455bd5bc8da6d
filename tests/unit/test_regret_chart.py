"""The chart of regret: true to the numbers, and readable with many strategies."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from grouping.plots import RegretLine, regret_svg
from tests.unit.test_plots_svg import SVG, by_class, parsed

CHARGES = np.array([0.0, 1.0, 2.0, 3.0])


def line(name: str, mean: list[float], end: float = 3.0, spread: float = 0.0) -> RegretLine:
    values = np.array(mean)
    return RegretLine(name, CHARGES, values, values * (1 - spread), values * (1 + spread), end)


def with_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def numbers(path: ElementTree.Element) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", path.get("d") or "")]


@pytest.mark.parametrize("is_log", [False, True])
def test_a_lower_regret_is_drawn_lower_and_the_end_is_marked(is_log: bool) -> None:
    drawn = [line("good", [0.2, 0.1, 0.01, 0.0]), line("bad", [0.2, 0.2, 0.15, 0.1])]
    root = parsed(regret_svg(drawn, is_log=is_log))
    good, bad = with_class(root, "plot-dot")
    assert float(good.get("cy") or 0) > float(bad.get("cy") or 0)
    assert "good: 0.00 % regret after 3" in (good.findtext(f"{SVG}title") or "")


def test_a_line_starts_with_the_first_recommendation_and_ends_with_the_search() -> None:
    root = parsed(regret_svg([line("late", [np.nan, np.nan, 0.2, 0.1], end=2.5)]))
    (path,) = [one for one in with_class(root, "plot-line") if one.tag == f"{SVG}path"]
    ticks = {tick.text: float(tick.get("x") or 0) for tick in by_class(root, "plot-tick")}
    assert numbers(path)[0] == pytest.approx(ticks["2.0"], abs=0.02)
    (dot,) = with_class(root, "plot-dot")
    assert float(dot.get("cx") or 0) == pytest.approx(ticks["2.5"], abs=0.02)


def test_a_band_is_drawn_where_seeds_differ_and_only_there() -> None:
    drawn = [line("random", [0.3, 0.2, 0.1, 0.1], spread=0.5), line("fixed", [0.3, 0.2, 0.1, 0.1])]
    assert len(with_class(parsed(regret_svg(drawn)), "plot-band")) == 1


def test_names_are_escaped_and_a_strategy_without_any_number_is_still_named() -> None:
    drawn = [line("<b>&", [0.1, 0.1, 0.1, 0.1]), line("never", [np.nan] * 4)]
    text = regret_svg(drawn)
    assert "&lt;b&gt;&amp;" in text
    assert "no recommendation" in text
    parsed(text)


def test_the_picture_grows_with_the_number_of_strategies_so_that_every_name_fits() -> None:
    root = parsed(regret_svg([line(f"strategy {i}", [0.1, 0.1, 0.1, 0.1]) for i in range(20)]))
    lowest = max(float(one.get("y") or 0) for one in root.iter(f"{SVG}text"))
    assert lowest < float((root.get("viewBox") or "").split()[3])
    looks = {(p.get("stroke"), p.get("stroke-dasharray")) for p in with_class(root, "plot-line")}
    assert len(looks) >= 16


def test_without_any_recommendation_the_chart_says_so() -> None:
    assert "No strategy has recommended anything yet." in regret_svg([line("never", [np.nan] * 4)])
