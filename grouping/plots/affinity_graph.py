"""The affinity graph as a picture: tasks on a ring, arrows or lines for effects between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinities.matrix import AffinityMatrix, Effect
from grouping.domain.affinities.status import CellStatus
from grouping.domain.affinities.summary import NOTHING_STANDS_OUT
from grouping.plots.ring import Label, Point, Ring, arrow
from grouping.plots.svg import (
    BLUE,
    GROUND,
    MINUS,
    MUTED,
    RULE,
    SHORT_MINUS,
    document,
    element,
    escaped,
    shortened,
    text,
)
from grouping.strategies.affinity.graph import communities

RED = "#b2182b"
MOST_TASKS = 60
"""With more tasks, only those at the ends of the strongest effects are drawn."""
MOST_CHARACTERS = 24
DEFAULT_EFFECTS = 30

NODE = 6.0
THINNEST, THICKEST = 1.25, 5.0
TOP = 14.0
LEGEND, LEGEND_ROW = 57.0, 19.0
LEAST_WIDTH = 430.0


def strongest_effects(matrix: AffinityMatrix, most: int = DEFAULT_EFFECTS) -> tuple[Effect, ...]:
    """Select the effects a picture shows: strongest first, help and harm alike.

    Effects of strength 0 and within the noise are left out. Where values say how alike tasks are, each pair
    counts once.

    Args:
        matrix: the affinities.
        most: the most effects; fewer where they would connect more than `MOST_TASKS` tasks.
    """
    effects = _strongest(matrix, max(0, most))
    tasks: set[str] = set()
    found: list[Effect] = []
    for effect in effects:
        tasks |= {effect.source, effect.target}
        if len(tasks) > MOST_TASKS:
            break
        found.append(effect)
    return tuple(found)


def _strongest(matrix: AffinityMatrix, most: int) -> list[Effect]:
    is_drawable, strengths = _drawable(matrix), np.abs(matrix.values)
    if most < 1 or not is_drawable.any():
        return []
    found = strengths[is_drawable]
    least = np.partition(found, -most)[-most] if most < found.size else 0.0
    effects = [matrix.effect(i, j) for i, j in np.argwhere(is_drawable & (strengths >= least)).tolist()]
    effects.sort(key=lambda effect: (-abs(effect.value), effect.source, effect.target))
    return effects[:most]


def _drawable(matrix: AffinityMatrix) -> NDArray[np.bool_]:
    """Return the cells that a picture could show, ``[T, T]``."""
    is_known = ~np.isnan(matrix.values) & (matrix.values != 0)
    return is_known & ~matrix.is_within_noise if matrix.is_effect else np.triu(is_known, k=1)


def affinity_graph_svg(
    matrix: AffinityMatrix, *, most: int = DEFAULT_EFFECTS, name: str = "affinity-graph"
) -> str:
    """Draw an affinity matrix as a graph.

    An arrow from a task to another says that the one helps (blue) or harms (red, dashed) the other; its width
    is the strength, and its head is open where the effect is estimated and not measured. An effect of at most
    two standard errors is no arrow. Where a matrix says how alike tasks are, a line does so. Tasks that help
    one another (communities by modularity) stand side by side on one arc.

    Args:
        matrix: the affinities.
        most: the most effects to draw; see `strongest_effects`.
        name: prefix of the identifiers inside; unique within a page.
    """
    effects = strongest_effects(matrix, most)
    groups = communities(_drawn(matrix, effects))
    tasks = [task for group in groups for task in group]
    longest = max((len(_label(task)) for task in tasks), default=0)
    label_width = max(7.4 * longest + 12.0, 60.0)
    sizes = [len(group) for group in groups]
    ring = Ring.of(sizes, label_width=label_width, top=TOP, least_width=LEAST_WIDTH)
    places = dict(zip(tasks, (ring.at(angle) for angle in ring.angles()), strict=True))
    parts = _arcs(ring)
    scale = max((abs(effect.value) for effect in effects), default=1.0)
    parts += [_edge(ring, places, matrix, effect, scale) for effect in reversed(effects)]
    parts += [_node(task, places[task], label) for task, label in zip(tasks, ring.labels(), strict=True)]
    foot = ring.centre[1] + ring.radius + 30
    if not effects:
        note = NOTHING_STANDS_OUT if matrix.is_known else "No effect between two tasks is known."
        parts.append(text(note, *ring.centre, text_anchor="middle", fill=MUTED, class_="plot-tick"))
    notes = _notes(ring, matrix, effects, len(tasks))
    parts.append(_legend(ring, matrix, notes, foot + 18))
    return document(
        *parts,
        width=2 * ring.centre[0],
        height=foot + LEGEND + LEGEND_ROW * (len(notes) - 1),
        title="Which task helps or harms which" if matrix.is_effect else "How far tasks overlap",
        description=_describe(matrix, groups, effects),
        name=name,
    )


def _label(task: str) -> str:
    """Return the name as it is drawn: on one line, and shortened."""
    return shortened(" ".join(task.split()) or task, MOST_CHARACTERS)


def _drawn(matrix: AffinityMatrix, effects: Sequence[Effect]) -> AffinityMatrix:
    """Return the matrix without the tasks that no shown effect touches, if there are too many."""
    if len(matrix.tasks) <= MOST_TASKS:
        return matrix
    touched = {task for effect in effects for task in (effect.source, effect.target)}
    return matrix.reordered([place for place, task in enumerate(matrix.tasks) if task in touched])


def _arcs(ring: Ring) -> list[str]:
    """Draw a band under the tasks of each community."""
    angles = ring.angles()
    parts = []
    first = 0
    for size in ring.sizes:
        (x0, y0), (x1, y1) = ring.at(angles[first] - 0.001), ring.at(angles[first + size - 1] + 0.001)
        is_long = int(angles[first + size - 1] - angles[first] > np.pi)
        parts.append(
            element(
                "path",
                d=f"M{x0:.1f} {y0:.1f}A{ring.radius:g} {ring.radius:g} 0 {is_long} 1 {x1:.1f} {y1:.1f}",
                fill="none",
                stroke=RULE,
                stroke_width=22.0,
                stroke_linecap="round",
                class_="plot-community",
            )
        )
        first += size
    return parts


def _edge(ring: Ring, places: dict[str, Point], matrix: AffinityMatrix, effect: Effect, scale: float) -> str:
    width = THINNEST + (THICKEST - THINNEST) * abs(effect.value) / scale
    ends = places[effect.source], places[effect.target]
    drawn = arrow(ring, *ends, node=NODE, width=width, has_head=matrix.is_effect)
    sentence = element("title", escaped(effect_sentence(matrix, effect)))
    is_open = effect.status is CellStatus.ESTIMATED
    shaft, head = _strokes(drawn.path, drawn.head, width, helps=effect.value > 0, is_open=is_open)
    return element("g", sentence, shaft, head if matrix.is_effect else "")


def _strokes(path: str, head: str, width: float, *, helps: bool, is_open: bool = False) -> tuple[str, str]:
    kind, colour = ("help", BLUE) if helps else ("harm", RED)
    return (
        element(
            "path",
            d=path,
            fill="none",
            stroke=colour,
            stroke_width=width,
            stroke_dasharray=None if helps else "7 4",
            class_=f"plot-edge-{kind}",
        ),
        element(
            "path",
            d=head,
            fill=GROUND if is_open else colour,
            class_=f"plot-{'open' if is_open else 'head'}-{kind}",
            stroke=colour if is_open else None,
            stroke_width=1.5 if is_open else None,
        ),
    )


def effect_sentence(matrix: AffinityMatrix, effect: Effect) -> str:
    """Describe an effect, such as ``depth helps normals: +8.1 %`` or, estimated, ``about +8.1 %``."""
    about = "about " if effect.status is CellStatus.ESTIMATED else ""
    return (
        f"{effect.source} {matrix.verb(effect.value)} {effect.target}: {about}{shown(matrix, effect.value)}"
    )


def shown(matrix: AffinityMatrix, value: float) -> str:
    """Format a value with a typographic minus sign."""
    return matrix.shown(value).replace(SHORT_MINUS, MINUS)


def _node(task: str, at: Point, label: Label) -> str:
    leader = ""
    if label.is_moved:
        end = label.x - 3 if label.is_right else label.x + 3
        leader = element(
            "line",
            x1=at[0],
            y1=at[1],
            x2=end,
            y2=label.y,
            stroke=MUTED,
            stroke_width=0.75,
            class_="plot-axis",
        )
    return element(
        "g",
        element("title", escaped(task)),
        leader,
        element("circle", cx=at[0], cy=at[1], r=NODE, class_="plot-node"),
        text(
            _label(task),
            label.x,
            label.y + 4.5,
            text_anchor="start" if label.is_right else "end",
            class_="plot-name",
        ),
    )


def _legend(ring: Ring, matrix: AffinityMatrix, notes: Sequence[str], y: float) -> str:
    middle = ring.centre[0]
    parts: list[str] = []
    kinds = [(True, "helps", middle - 108), (False, "harms", middle + 12)]
    for helps, label, x in kinds if matrix.is_effect else [(True, "overlap", middle - 50)]:
        shaft, head = _strokes(
            f"M{x:.1f} {y:.1f}H{x + 32:.1f}", f"M{x + 42:.1f} {y:.1f}l-11 -6v12z", 3.0, helps=helps
        )
        parts += [shaft, head if matrix.is_effect else ""]
        parts.append(text(label, x + 51, y + 4.5))
    for row, note in enumerate(notes):
        at = y + 26 + LEGEND_ROW * row
        parts.append(text(note, middle, at, text_anchor="middle", fill=MUTED, class_="plot-tick"))
    return element("g", *parts, class_="plot-legend")


def _notes(ring: Ring, matrix: AffinityMatrix, effects: Sequence[Effect], n_drawn: int) -> list[str]:
    """Write lines below the legend: how to read the picture, and what is not drawn."""
    how = ["the wider, the stronger"]
    if any(size > 1 for size in ring.sizes):
        how.append("tasks on one arc are a community")
    n_open = sum(effect.status is CellStatus.ESTIMATED for effect in effects)
    open_heads = ""
    if n_open:
        which = "all are" if n_open == len(effects) else "an open head is"
        open_heads = f"{which} estimated from other networks"
    lines = ("; ".join(how), open_heads, _left_out(matrix, effects, n_drawn), _within_noise(matrix))
    return [line for line in lines if line]


def _within_noise(matrix: AffinityMatrix) -> str:
    """Say how many effects are too small for their noise to be drawn; empty for none."""
    number = int(matrix.is_within_noise.sum()) if matrix.is_effect else 0
    said = "effect within the noise is" if number == 1 else "effects within the noise are"
    return f"{number:,} {said} not drawn" if number else ""


def _left_out(matrix: AffinityMatrix, effects: Sequence[Effect], n_drawn: int) -> str:
    """Say what is not drawn; empty if all is."""
    n_known = int(_drawable(matrix).sum())
    said = []
    if len(effects) < n_known:
        named = "effects" if matrix.is_effect else "overlaps"
        said.append(f"the {len(effects)} strongest of {n_known:,} {named}")
    if n_drawn < len(matrix.tasks):
        said.append(f"{n_drawn} of {len(matrix.tasks)} tasks")
    return ", between ".join(said)


def _describe(matrix: AffinityMatrix, groups: Sequence[tuple[str, ...]], effects: Sequence[Effect]) -> str:
    drawn = "arrows" if matrix.is_effect else "lines"
    sentences = [f"{len(matrix.tasks)} tasks, {len(effects)} {drawn}."]
    together = [" with ".join(group) for group in groups if len(group) > 1]
    if together:
        sentences.append(f"Communities: {'; '.join(together)}.")
    if said := _left_out(matrix, effects, sum(len(group) for group in groups)):
        sentences.append(f"Drawn are {said}.")
    return " ".join([*sentences, matrix.summary()])
