"""An affinity matrix as a picture: a square for each ordered pair of tasks, blue where the source helps."""

from __future__ import annotations

import math

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.plots.svg import MINUS, MUTED, document, element, shortened, text

CELL = 54.0
_LABELS = 130.0
_TOP = 96.0
_LONGEST = 18
_HELP = ("#e6f0f6", "#d1e5f0", "#92c5de", "#4e9bc9", "#2166ac", "#0b3d75")
_HARM = ("#fdeee7", "#fddbc7", "#f4a582", "#dd6d58", "#b2182b", "#7d0a22")
_ZERO, _UNKNOWN = "#f7f7f7", "#ffffff"
_FIRST_WITH_LIGHT_TEXT = 4
"""Number of the first shade on which text is white. The shades are ColorBrewer's RdBu."""


def affinity_heatmap_svg(matrix: AffinityMatrix, *, name: str = "heatmap") -> str:
    """Draw an affinity matrix, rows as sources and columns as targets, zero in the middle of the shades.

    Args:
        matrix: the affinities.
        name: prefix of the identifiers inside; unique within a page.
    """
    tasks = matrix.tasks
    known = [abs(float(value)) for value in matrix.values.ravel() if not math.isnan(value)]
    scale = max(known, default=0.0) or 1.0
    cells = [_cell(matrix, i, j, scale) for i in range(len(tasks)) for j in range(len(tasks)) if i != j]
    labels = [
        text(shortened(task, _LONGEST), _LABELS - 8, _TOP + (n + 0.5) * CELL + 4, text_anchor="end")
        for n, task in enumerate(tasks)
    ]
    labels += [_column(task, _LABELS + (n + 0.5) * CELL) for n, task in enumerate(tasks)]
    unit = "percent of the loss of the target" if matrix.is_share else matrix.method
    side = CELL * len(tasks)
    height = _TOP + side + 30
    note = text(f"row: source, column: target; {unit}", 12, height - 10, fill=MUTED, font_size=11.0)
    return document(
        *cells,
        *labels,
        note,
        width=max(_LABELS + side + 60, 380),
        height=height,
        title="Affinities between tasks",
        description=matrix.summary(),
        name=name,
    )


def _cell(matrix: AffinityMatrix, i: int, j: int, scale: float) -> str:
    value = float(matrix.values[i, j])
    x, y = _LABELS + j * CELL, _TOP + i * CELL
    step = 0 if math.isnan(value) else round(min(1.0, abs(value) / scale) * len(_HELP))
    shades = _HELP if value > 0 else _HARM
    fill = _UNKNOWN if math.isnan(value) else (_ZERO if step == 0 else shades[step - 1])
    square = element("rect", x=x + 1, y=y + 1, width=CELL - 2, height=CELL - 2, fill=fill, stroke="#dde2e9")
    if math.isnan(value):
        return square
    factor = 100 if matrix.is_share else 1
    shown = f"{value * factor:{'+' if matrix.is_effect else ''}.{matrix.decimals}f}".replace("-", MINUS)
    ink = "#ffffff" if step > _FIRST_WITH_LIGHT_TEXT else "#11161d"
    at = text(shown, x + CELL / 2, y + CELL / 2 + 4, text_anchor="middle", fill=ink, font_size=12.0)
    return square + at


def _column(task: str, x: float) -> str:
    turned = f"rotate(-40 {x:.1f} {_TOP - 8:.1f})"
    return text(shortened(task, _LONGEST), x, _TOP - 8, transform=turned)
