"""View of an affinity matrix as a table: methods, order of the tasks, colours, and a sentence for each cell.

Effects have shades on both sides of zero; overlaps of masks, from 0 to 1, have the shades of help only. An
estimated value is marked by a ``≈``, italics and a dashed frame, an unknown one by hatching.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import METHODS, AffinityMethod
from grouping.domain.affinities.status import CellStatus
from grouping.domain.percentages import fixed_percent
from grouping.store import TableInfo
from grouping.use_cases.affinity import MethodOfTable, methods_of, order_of
from grouping.use_cases.table_queries import TableQueries
from grouping_api.web.rendering import MANY_TASKS, MINUS, MOST_NUMBERS
from grouping_api.web.wording import listed, plural

MOST_SHOWN = 60
"""Tasks up to which a matrix is shown as a whole: the cells of more are neither read nor sent in a second."""
SHOWN_AT_FIRST = 30
"""Tasks of the strongest effects, which are shown where there are more."""
N_SHADES = 6
"""Number of shades on either side of zero."""
LEAST_SCALE = 0.01
"""The scale of trained losses ends at least here, so that noise does not look like an effect."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Cell of a matrix as it is shown."""

    css: str
    text: str
    noise: str
    sentence: str


@dataclass(frozen=True, slots=True)
class AffinityView:
    """Affinity matrix with its tasks in the requested order.

    Attributes:
        tasks: names of the tasks in that order.
        rows: a row for each source, with a cell for each target.
        order: name of the order.
        scale: absolute value that has the strongest colour.
        shades: CSS classes from the lowest value to the highest.
        ends: labels of the two ends of the shades, each a word and a number.
        statuses: the ways in which cells are known that occur in the matrix.
        networks_each: number of networks behind each known cell, where it is the same for all; else None.
        whole: the matrix of all tasks, of which `matrix` is a part where there are very many.
    """

    matrix: AffinityMatrix
    tasks: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    order: str
    scale: float
    shades: tuple[str, ...]
    ends: tuple[tuple[str, str], tuple[str, str]]
    statuses: tuple[CellStatus, ...]
    networks_each: int | None
    whole: AffinityMatrix

    @property
    def said(self) -> dict[str, str]:
        """Words for what a cell says: verbs by the kind of its colour, and the unit of its number."""
        verbs = {"help": self.matrix.verb(1.0), "zero": self.matrix.verb(0.0), "harm": self.matrix.verb(-1.0)}
        return {**verbs, "unit": " %" if self.matrix.is_share else ""}

    @property
    def method(self) -> AffinityMethod:
        """Affinity method of the matrix."""
        return METHODS[self.matrix.method]

    @property
    def heading(self) -> str:
        """Heading of the page."""
        return "Which task helps which" if self.matrix.is_effect else "How far the masks of tasks overlap"

    @property
    def counted(self) -> str:
        """What the caption says of the networks behind the cells, to follow what it says of the noise."""
        is_of_both = METHODS[self.matrix.method].counts_both
        if self.networks_each is not None:
            behind = "trained with each pair of tasks" if is_of_both else "behind each cell"
            return f"; {plural(self.networks_each, 'network')} {behind}"
        behind = "trained with both tasks" if is_of_both else "behind the cell"
        return "" if len(self.tasks) > MANY_TASKS else f"; n networks {behind}"


def view_affinity(matrix: AffinityMatrix, order: str, words: str = "") -> AffinityView:
    """Build the view of a matrix, with the same order of tasks on both axes.

    Args:
        matrix: affinities of all tasks.
        order: name of the order.
        words: of more than `MOST_NUMBERS` tasks those are shown of which a word is part of the name; without
            words all, or of more than `MOST_SHOWN` those of the strongest effects.

    Raises:
        UnknownNameError: if there is no such order.
    """
    whole = matrix
    if len(matrix.tasks) > (MOST_NUMBERS if words.split() else MOST_SHOWN):
        matrix = matrix.reordered(_shown_tasks(matrix, words))
    positions = order_of(matrix, order)
    known = np.abs(matrix.values[~np.isnan(matrix.values)])
    scale = max(_least_scale(matrix), float(known.max(initial=0.0))) if matrix.is_effect else 1.0
    lowest = -N_SHADES if matrix.is_effect else 0
    each = _networks_each(matrix)
    return AffinityView(
        matrix=matrix,
        tasks=tuple(matrix.tasks[i] for i in positions),
        rows=tuple(tuple(_cell(matrix, i, j, scale, each) for j in positions) for i in positions),
        order=order,
        scale=scale,
        shades=tuple(shade(k / N_SHADES, 1.0) for k in range(lowest, N_SHADES + 1)),
        ends=_ends(matrix, scale),
        statuses=tuple(status for status, number in matrix.counts().items() if number),
        networks_each=each,
        whole=whole,
    )


def _shown_tasks(matrix: AffinityMatrix, words: str) -> list[int]:
    """Return the positions of the tasks that are shown of very many."""
    wanted = words.casefold().split()
    if wanted:
        named = (i for i, task in enumerate(matrix.tasks) if any(word in task.casefold() for word in wanted))
        return list(islice(named, MOST_SHOWN))
    strengths = np.where(np.isnan(matrix.values), -1.0, np.abs(matrix.values))
    strongest = np.argsort(-strengths, axis=None, kind="stable")[: MOST_SHOWN**2]
    ends = np.stack(np.unravel_index(strongest, strengths.shape), axis=1).ravel()
    return sorted(list(dict.fromkeys(ends.tolist()))[:SHOWN_AT_FIRST])


def _networks_each(matrix: AffinityMatrix) -> int | None:
    """Return the number of networks behind the cells where it is the same for all that are known."""
    is_known = ~np.isnan(matrix.values) & ~np.eye(len(matrix.tasks), dtype=bool)
    found = np.unique(matrix.n_networks[is_known])
    return int(found[0]) if found.size == 1 else None


def _ends(matrix: AffinityMatrix, scale: float) -> tuple[tuple[str, str], tuple[str, str]]:
    if not matrix.is_effect:
        return ("nothing in common", "0"), ("the same", f"{scale:g}")
    factor, unit = (100, " %") if matrix.is_share else (1, "")
    text = f"{scale * factor:.{matrix.decimals}f}{unit}"
    return ("harms", f"{MINUS}{text}"), ("helps", f"+{text}")


def _least_scale(matrix: AffinityMatrix) -> float:
    """Return the lowest end of the scale: effects of single steps may be a thousand times smaller."""
    return LEAST_SCALE if METHODS[matrix.method].is_from_table else 1e-12


def shade(value: float, scale: float) -> str:
    """Return the CSS class of a value: ``help-1`` to ``help-6``, ``harm-1`` to ``harm-6``, or ``zero``."""
    step = round(min(1.0, abs(value) / scale) * N_SHADES)
    return "zero" if step == 0 else f"{'help' if value > 0 else 'harm'}-{step}"


def _cell(matrix: AffinityMatrix, i: int, j: int, scale: float, each: int | None) -> Cell:
    source, target = matrix.tasks[i], matrix.tasks[j]
    value, error = float(matrix.values[i, j]), float(matrix.standard_errors[i, j])
    if i == j:
        return _own_cell(matrix, i)
    status = matrix.status(i, j)
    if status is CellStatus.UNKNOWN:
        return Cell("missing", "", "", f"{source} with {target}: {status.meaning}")
    networks = int(matrix.n_networks[i, j])
    factor, places = (100 if matrix.is_share else 1), matrix.decimals
    text = f"{value * factor:{'+' if matrix.is_effect else ''}.{places}f}".replace("-", MINUS)
    counts = [] if each is not None or len(matrix.tasks) > MANY_TASKS else [f"n {networks}"]
    spread = ""
    if not np.isnan(error):
        counts.insert(0, f"±{error * factor:.{places}f}")
        spread = f", standard error {error * factor:.{places + 1}f}{' points' if matrix.is_share else ''}"
    noise = " · ".join(counts)
    chance = "" if matrix.at_random is None else f"; at random {matrix.at_random[i, j]:.{places}f}"
    unit = " %" if matrix.is_share else ""
    counted = plural(networks, "network")
    known = (
        f"{status.meaning}, {counted} with both tasks"
        if METHODS[matrix.method].counts_both
        else f"from {counted}"
    )
    css = shade(value, scale)
    if status is CellStatus.ESTIMATED:
        sentence = f"{source} {matrix.verb(value)} {target}: about {text}{unit} ({known}{spread})"
        return Cell(f"{css} {status}", f"≈\u202f{text}", noise, sentence)
    sentence = f"{source} {matrix.verb(value)} {target}: {text}{unit} ({known}{spread}){chance}"
    return Cell(css, text, noise, sentence)


def _own_cell(matrix: AffinityMatrix, i: int) -> Cell:
    """Build the cell of a task with itself: the share of the weights that its mask keeps, if it has one."""
    task = matrix.tasks[i]
    if matrix.is_effect or matrix.self_values is None or np.isnan(matrix.self_values[i]):
        return Cell("self", "", "", task)
    kept = float(matrix.self_values[i])
    return Cell(
        "self", f"{kept:.{matrix.decimals}f}", "kept", f"{task} keeps {fixed_percent(kept, 0)} of the weights"
    )


def offered_methods(queries: TableQueries, info: TableInfo) -> list[MethodOfTable]:
    """List the methods that are offered for a table, including those that were not measured."""
    return [found for found in methods_of(queries, info).values() if found.is_offered]


def missing_methods(queries: TableQueries, info: TableInfo) -> str:
    """Explain which of the offered methods have no values and why; empty if all have values."""
    by_way: dict[str, list[str]] = {}
    for found in offered_methods(queries, info):
        if found.missing:
            by_way.setdefault(found.missing, []).append(found.method.name)
    return " ".join(
        f"{listed(names)} {'was' if len(names) == 1 else 'were'} not measured for this score table. {how}"
        for how, names in by_way.items()
    )
