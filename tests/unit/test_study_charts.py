from __future__ import annotations

from xml.etree import ElementTree

import pytest

from grouping.plots import EffectPoint, PairEffect, SetupColumn, scatter_svg, setups_svg
from grouping.study.presentation import PICTURES, as_markdown, picture_svg
from tests.studies import TASKS, example_report

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>"


def points_of(svg: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f".//{SVG}circle")


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_has_a_dot_for_every_ordered_pair_of_every_setup(picture: str) -> None:
    n_pairs = len(TASKS) * (len(TASKS) - 1)
    n_columns = 1 if picture == "transfer" else 2
    assert len(points_of(picture_svg(example_report(), picture))) == n_pairs * n_columns


def test_higher_gains_are_drawn_higher_and_further_to_the_right() -> None:
    points = [EffectPoint("low", -3.0, -2.0, 1.0, 1.0), EffectPoint("high", 4.0, 8.0)]
    low, high = points_of(scatter_svg(points, title="t", x_axis="x", y_axis="y", name="n"))
    assert float(low.attrib["cx"]) < float(high.attrib["cx"])
    assert float(low.attrib["cy"]) > float(high.attrib["cy"])


def test_names_are_escaped_and_there_is_no_style() -> None:
    column = SetupColumn(HOSTILE, (PairEffect(HOSTILE, 1.0),), 1.0, 0.5, 1.5)
    for svg in (
        setups_svg([column], title=HOSTILE, axis=HOSTILE, name="n"),
        scatter_svg([EffectPoint(HOSTILE, 1, 1)], title=HOSTILE, x_axis="x", y_axis="y", name="n"),
    ):
        ElementTree.fromstring(svg)
        assert "<script" not in svg
        assert "style" not in svg


def test_nothing_measured_is_a_picture_that_says_so() -> None:
    assert "Nothing was measured" in setups_svg([], title="t", axis="a", name="n")
    assert "Nothing was measured" in scatter_svg([], title="t", x_axis="x", y_axis="y", name="n")


def test_effects_that_are_rounding_errors_are_drawn_at_zero() -> None:
    effects = (PairEffect("a", 3e-14), PairEffect("b", -2e-14))
    svg = setups_svg([SetupColumn("s", effects, 1e-14, 0.0, 2e-14)], title="t", axis="a", name="n")
    first, second = (float(point.attrib["cy"]) for point in points_of(svg))
    assert first == pytest.approx(second, abs=0.1)


def test_markdown_has_a_row_for_every_task_and_cannot_be_broken_by_names() -> None:
    text = as_markdown(example_report(("a|b", "<i>c</i>", "d")))
    rows = [line for line in text.splitlines() if line.startswith("| a\\|b |")]
    assert len(rows) == 5  # pairs, together, one more size, one more share, transfer
    assert "<i>" not in "".join(line for line in text.splitlines() if line.startswith("|"))
