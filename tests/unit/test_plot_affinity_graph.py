"""The drawn affinity graph: well-formed, escaped, true to the numbers, and readable."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.tables.score_table import FloatArray
from grouping.plots import affinity_graph_svg
from grouping.plots.affinity_graph import MOST_TASKS, strongest_effects
from grouping.plots.ring import LABEL_ROW, Ring, arrow
from grouping.plots.svg import BLUE
from grouping.strategies.affinity.graph import communities
from tests.unit.test_plots_svg import SVG, by_class, parsed

HOSTILE = ("<script>alert(1)</script>", '"><img src=x>', "&amp;'\"", "a\u202eb\x07", "line\nbreak", "x" * 200)


def matrix_of(values: FloatArray, names: tuple[str, ...] | None = None) -> AffinityMatrix:
    square = np.array(values, dtype=np.float64)
    np.fill_diagonal(square, np.nan)
    tasks = names or tuple(f"task {i}" for i in range(len(square)))
    return AffinityMatrix(
        tasks, "pairwise", "", square, np.full_like(square, np.nan), np.ones(square.shape, dtype=np.int64)
    )


def random_matrix(n_tasks: int, seed: int = 0, names: tuple[str, ...] | None = None) -> AffinityMatrix:
    return matrix_of(np.random.default_rng(seed).normal(size=(n_tasks, n_tasks)) * 0.1, names)


def edges(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    """Shafts of arrows between tasks; those of the legend are straight."""
    return [path for path in by_class(root, f"plot-edge-{kind}") if "Q" in (path.get("d") or "")]


def test_help_and_harm_are_told_apart_by_colour_and_by_dashes() -> None:
    values = np.array([[0, 0.4, -0.1], [0.2, 0, np.nan], [0.0, -0.3, 0]])
    root = parsed(affinity_graph_svg(matrix_of(values)))
    helps, harms = edges(root, "help"), edges(root, "harm")
    assert (len(helps), len(harms)) == (2, 2), "an effect of nothing, or none measured, is no arrow"
    assert all(path.get("stroke") == BLUE and not path.get("stroke-dasharray") for path in helps)
    assert all(path.get("stroke") != BLUE and path.get("stroke-dasharray") for path in harms)
    in_legend = 2
    heads = by_class(root, "plot-head-help") + by_class(root, "plot-head-harm")
    assert len(heads) == len(helps) + len(harms) + in_legend


def test_a_stronger_effect_is_a_wider_arrow_and_says_its_strength() -> None:
    values = np.array([[0, 0.4, -0.1], [0.2, 0, 0.05], [0.3, -0.35, 0]])
    root = parsed(affinity_graph_svg(matrix_of(values)))
    widths = {}
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is not None and (title.text or "").count("task") == 2:
            path = group.find(f"{SVG}path")
            assert path is not None
            widths[title.text or ""] = float(path.get("stroke-width") or "nan")
    assert len(widths) == 6
    strengths = {text: abs(float(re.findall(r"[+−]([\d.]+) %", text)[0])) for text in widths}
    assert sorted(widths, key=widths.__getitem__) == sorted(widths, key=strengths.__getitem__)
    assert any(text.startswith("task 2 harms task 1: −35") for text in widths)


def test_only_the_strongest_effects_are_drawn_and_the_picture_says_so() -> None:
    matrix = random_matrix(8)
    text = affinity_graph_svg(matrix, most=10)
    root = parsed(text)
    assert len(edges(root, "help")) + len(edges(root, "harm")) == 10
    assert "the 10 strongest of 56 effects" in text
    drawn = strongest_effects(matrix, 10)
    weakest = min(abs(effect.value) for effect in drawn)
    known = {(effect.source, effect.target) for effect in drawn}
    left = [effect for effect in matrix.effects() if (effect.source, effect.target) not in known]
    assert len(left) == 46
    assert all(abs(effect.value) <= weakest for effect in left)
    assert "strongest of" not in affinity_graph_svg(matrix, most=56)


def test_of_very_many_tasks_only_those_with_strong_effects_are_drawn() -> None:
    text = affinity_graph_svg(random_matrix(90), most=500)
    n_drawn = len(by_class(parsed(text), "plot-node"))
    assert 0 < n_drawn <= MOST_TASKS
    assert f"between {n_drawn} of 90 tasks" in text


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 30, 60])
def test_every_task_is_drawn_once_with_its_name(n_tasks: int) -> None:
    matrix = random_matrix(n_tasks)
    root = parsed(affinity_graph_svg(matrix))
    assert len(by_class(root, "plot-node")) == n_tasks
    assert sorted(element.text or "" for element in by_class(root, "plot-name")) == sorted(matrix.tasks)


def test_without_any_effect_the_picture_says_so() -> None:
    unknown, nothing = "No effect between two tasks is known.", "No effect stands out from the noise."
    for matrix, said in (
        (matrix_of(np.full((3, 3), np.nan)), unknown),
        (random_matrix(1), unknown),
        (matrix_of(np.zeros((2, 2))), nothing),
        (replace(random_matrix(4), standard_errors=np.full((4, 4), 1.0)), nothing),
    ):
        root = parsed(affinity_graph_svg(matrix))
        assert said in "".join(root.itertext())
        assert edges(root, "help") + edges(root, "harm") == []


def test_estimated_effects_have_open_heads_and_effects_within_the_noise_are_counted_and_not_drawn() -> None:
    values = np.array([[0, 0.4, -0.1], [0.2, 0, -0.3], [0.01, 0.35, 0]])
    errors = np.array([[0, 0.1, 0.01], [0.05, 0, 0.1], [0.02, 0.2, 0]])
    is_estimated = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=np.bool_)
    matrix = replace(matrix_of(values), standard_errors=errors, is_estimated=is_estimated)
    text = affinity_graph_svg(matrix)
    root = parsed(text)
    assert len(edges(root, "help")) + len(edges(root, "harm")) == 4
    assert len(by_class(root, "plot-open-help")) == len(by_class(root, "plot-open-harm")) == 1
    assert "2 effects within the noise are not drawn" in text
    assert "an open head is estimated from other networks" in text
    assert "task 0 helps task 1: about +40.0 %" in text
    measured = affinity_graph_svg(matrix_of(values))
    assert "open" not in measured
    assert "noise" not in measured


def test_hostile_names_are_escaped_shortened_and_at_hand_in_full() -> None:
    text = affinity_graph_svg(random_matrix(len(HOSTILE), names=HOSTILE))
    root = parsed(text)
    assert "<script" not in text
    assert "<img" not in text
    titles = ["".join(element.itertext()) for element in root.iter(f"{SVG}title")]
    assert HOSTILE[0] in titles
    assert "x" * 200 in titles
    assert "\u202e" not in text, "marks that change the direction of text are left out"
    assert "\x07" not in text
    assert all(len(element.text or "") <= 24 for element in by_class(root, "plot-name"))
    assert "line break" in [element.text for element in by_class(root, "plot-name")]


def test_the_same_matrix_gives_the_same_picture() -> None:
    assert affinity_graph_svg(random_matrix(12)) == affinity_graph_svg(random_matrix(12))


def test_communities_stand_together_on_one_arc() -> None:
    values = np.full((6, 6), -0.1)
    for block in ((0, 2, 4), (1, 3, 5)):
        values[np.ix_(block, block)] = 0.2
    matrix = matrix_of(values)
    root = parsed(affinity_graph_svg(matrix))
    assert len(by_class(root, "plot-community")) == len(communities(matrix)) == 2
    names = [element.text for element in by_class(root, "plot-name")]
    assert names == [f"task {i}" for i in (0, 2, 4, 1, 3, 5)]
    assert "tasks on one arc are a community" in "".join(root.itertext())


@pytest.mark.parametrize("sizes", [(1,), (2,), (5,), (1,) * 7, (8, 7, 7, 8), (28, 1, 1), (15, 15), (1,) * 60])
def test_labels_do_not_overlap_and_stay_in_the_picture(sizes: tuple[int, ...]) -> None:
    ring = Ring.of(sizes, label_width=180.0, top=14.0, least_width=430.0)
    labels = ring.labels()
    for is_right in (True, False):
        side = sorted(label.y for label in labels if label.is_right is is_right)
        assert all(below - above >= LABEL_ROW - 1e-6 for above, below in pairwise(side))
    assert min(label.y for label in labels) >= 10
    assert max(label.y for label in labels) <= ring.centre[1] + ring.radius + 30
    assert min(label.x for label in labels if not label.is_right) >= 180 if len(labels) > 1 else True
    assert all((label.x > ring.centre[0]) is label.is_right for label in labels)
    for label, angle in zip(labels, ring.angles(), strict=True):
        assert label.is_moved or abs(label.y - ring.at(angle, ring.radius + 17)[1]) <= 6


def test_nodes_stand_apart() -> None:
    for sizes in ((30,), (8, 7, 7, 8), (1,) * 60):
        ring = Ring.of(sizes, label_width=100.0, top=14.0, least_width=430.0)
        points = [ring.at(angle) for angle in ring.angles()]
        nearest = min(math.dist(a, b) for i, a in enumerate(points) for b in points[:i])
        assert nearest > 14


def test_the_way_there_and_the_way_back_are_two_curves() -> None:
    ring = Ring.of((6,), label_width=100.0, top=14.0, least_width=430.0)
    points = [ring.at(angle) for angle in ring.angles()]
    for a, b in ((0, 1), (0, 3), (2, 4)):
        there = arrow(ring, points[a], points[b], node=6, width=3)
        back = arrow(ring, points[b], points[a], node=6, width=3)
        middles = [[float(x) for x in re.findall(r"[\d.]+", drawn.path)][2:4] for drawn in (there, back)]
        assert math.dist(*middles) > 15
        tip = tuple(float(x) for x in re.findall(r"[\d.]+", there.head)[:2])
        assert 6 < math.dist(tip, points[b]) < 14, "the head ends just before the target"


def test_an_overlap_is_drawn_however_noisy_it_is() -> None:
    cells = np.array([[0, 0.6, 0.1], [0.6, 0, 0.3], [0.1, 0.3, 0]])
    certain = replace(matrix_of(cells), method="overlap")
    noisy = replace(certain, standard_errors=np.full((3, 3), 0.5))
    assert affinity_graph_svg(noisy) == affinity_graph_svg(certain)


def test_what_is_the_same_in_both_directions_is_a_line_for_each_pair_without_heads() -> None:
    cells = np.array([[0, 0.6, 0.1], [0.6, 0, 0.3], [0.1, 0.3, 0]])
    root = parsed(affinity_graph_svg(replace(matrix_of(cells), method="overlap")))
    lines = edges(root, "help")
    assert len(lines) == 3
    assert not by_class(root, "plot-head-help")
    assert not by_class(root, "plot-edge-harm")
    places = [(float(n.get("cx", 0)), float(n.get("cy", 0))) for n in by_class(root, "plot-node")]
    for line in lines:
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d", line.get("d") or "")]
        for end in (numbers[:2], numbers[-2:]):
            assert min(math.dist(end, place) for place in places) < 9, "a line reaches its two nodes"
    words = "".join(root.itertext())
    assert "task 0 overlaps with task 1: 0.60" in words
    assert "help" not in words
