"""The affinity matrix as a table: order of the tasks, colours, and a sentence for each cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.affinity import AffinityMatrix
from grouping.strategies.affinity_graph import cluster_order

ORDERS = ("input", "name", "cluster")
N_SHADES = 6
"""Shades on either side of zero."""
LEAST_SCALE = 0.01
"""The scale ends at least here, so that noise around zero does not look like an effect."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One effect."""

    css: str
    text: str
    noise: str
    sentence: str


@dataclass(frozen=True, slots=True)
class AffinityView:
    """The matrix in the order asked for.

    Attributes:
        tasks: in that order.
        rows: a row for each source, with a cell for each target.
        order: which order it is.
        scale: the effect at which the colours end.
        shades: CSS classes from the strongest harm to the strongest help.
        n_missing: pairs that were not measured.
    """

    matrix: AffinityMatrix
    tasks: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    order: str
    scale: float
    shades: tuple[str, ...]
    n_missing: int


def view_affinity(matrix: AffinityMatrix, order: str) -> AffinityView:
    """Lay the matrix out; the same order of tasks on both axes."""
    positions = _positions(matrix, order)
    known = np.abs(matrix.values[~np.isnan(matrix.values)])
    scale = max(LEAST_SCALE, float(known.max())) if known.size else LEAST_SCALE
    off_diagonal = ~np.eye(len(matrix.tasks), dtype=bool)
    return AffinityView(
        matrix=matrix,
        tasks=tuple(matrix.tasks[i] for i in positions),
        rows=tuple(tuple(_cell(matrix, i, j, scale) for j in positions) for i in positions),
        order=order,
        scale=scale,
        shades=tuple(shade(k / N_SHADES, 1.0) for k in range(-N_SHADES, N_SHADES + 1)),
        n_missing=int(np.isnan(matrix.values[off_diagonal]).sum()),
    )


def _positions(matrix: AffinityMatrix, order: str) -> tuple[int, ...]:
    if order == "cluster":
        return cluster_order(matrix)
    if order == "name":
        return tuple(sorted(range(len(matrix.tasks)), key=lambda i: matrix.tasks[i].casefold()))
    return tuple(range(len(matrix.tasks)))


def shade(value: float, scale: float) -> str:
    """CSS class of a value: ``help-1`` to ``help-6``, ``harm-1`` to ``harm-6``, or ``zero``."""
    step = round(min(1.0, abs(value) / scale) * N_SHADES)
    return "zero" if step == 0 else f"{'help' if value > 0 else 'harm'}-{step}"


def _cell(matrix: AffinityMatrix, i: int, j: int, scale: float) -> Cell:
    source, target = matrix.tasks[i], matrix.tasks[j]
    value, error = float(matrix.values[i, j]), float(matrix.standard_errors[i, j])
    if i == j:
        return Cell("self", "", "", source)
    if np.isnan(value):
        return Cell("missing", "", "", f"{source} with {target}: not measured")
    networks = int(matrix.n_networks[i, j])
    noise = "" if np.isnan(error) else f"±{error * 100:.1f}"
    spread = "" if np.isnan(error) else f", standard error {error * 100:.2f} points"
    verb = "helps" if value > 0 else "harms" if value < 0 else "does not change"
    sentence = (
        f"{source} {verb} {target}: {_signed(value)} % "
        f"(from {networks} network{'' if networks == 1 else 's'}{spread})"
    )
    return Cell(shade(value, scale), _signed(value), noise, sentence)


def _signed(value: float) -> str:
    return f"{value * 100:+.1f}".replace("-", "\u2212")
