"""The chart of a training's learning curves."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.trainings.progress import Progress
from grouping.plots import progress_svg
from grouping.plots.progress_chart import HEIGHT, LARGEST, MAX_LINES, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-LARGEST, LARGEST)
POINTS = st.lists(
    st.builds(
        Progress,
        st.floats(0, LARGEST),
        st.dictionaries(st.text(max_size=50), NUMBERS, min_size=1, max_size=20),
    ),
    min_size=1,
    max_size=30,
)


@given(POINTS)
def test_every_value_is_drawn_inside_the_picture_whatever_was_told(points: list[Progress]) -> None:
    root = ElementTree.fromstring(progress_svg(points))
    names = list(dict.fromkeys(name for point in points for name in point.values))
    lines = root.findall(f".//{SVG}polyline")
    assert len(lines) == min(len(names), MAX_LINES)
    for name, line in zip(names, lines, strict=False):
        corners = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert len(corners) == sum(name in point.values for point in points)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in corners)


def test_a_picture_of_nothing_that_can_be_drawn_says_so() -> None:
    for points in ([], [Progress(1)], [Progress(1, {"a": 1e300})], [Progress(1e300, {"a": 1})]):
        assert "No value can be drawn." in progress_svg(points)


def test_names_that_begin_alike_are_told_apart_in_the_legend() -> None:
    names = [f"validation.a rather long name, number {number}" for number in range(20)]
    picture = progress_svg([Progress(1, dict.fromkeys(names, 0.5)), Progress(2, dict.fromkeys(names, 0.25))])
    shown = [text.text for text in ElementTree.fromstring(picture).findall(f".//{SVG}g/{SVG}text")]
    assert "…3" in shown
    assert f"and {20 - MAX_LINES} more" in shown
