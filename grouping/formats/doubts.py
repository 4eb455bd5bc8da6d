"""Doubts about the values of a table: whether they mean what was said of them.

Nothing of it is an error, since each may be meant: losses may be negative, and a loss may be 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.formats.findings import Listing
from grouping.formats.words import counted, enumerated

SENTINELS = (0.0, -1.0, 99.0, -99.0, 999.0, -999.0, 9999.0, -9999.0)
"""Numbers by which people say that a task is not in a network."""

OUT_OF_PLACE = 10
"""A large sentinel is at least as many times as large as all other values."""
MIN_REPEATED = 3
"""Cells, of two tasks at least, with one number far from all others, from which any number is doubted."""
MIN_PAIRS = 4
"""Values at two sizes of a group that are needed to say which way they go."""

_HIGHER_BETTER = re.compile(
    r"(^|[\W_])(acc|accuracy|auc|auroc|auprc|ap|map|f1|r2|iou|miou|dice|psnr|ssim|bleu|recall|precision)([\W_]|$)",
    re.IGNORECASE,
)
_LOOK_AGAIN = "lower would be better as they are read. If higher is better, import them as gains (--gains)."


def doubts(table: ScoreTable, values: Literal["losses", "gains", "reported"]) -> Iterator[str]:
    """Yield a sentence for each doubt.

    Args:
        table: the table, of losses; of the numbers themselves if they are ``reported``.
        values: whether the file holds losses; gains that became losses as ``1 - gain``; or values of
            metrics, of which some are higher better.
    """
    written = 1.0 - table.cell_losses if values == "gains" else table.cell_losses
    is_sentinel = np.zeros(written.shape, dtype=np.bool_)
    for number in (*SENTINELS, *_extremes(written)):
        found = _sentinels(table, written, number, values)
        if found.any():
            is_sentinel |= found
            yield _sentinel_sentence(table, number, found)
    yield from _nan_for_absent(table)
    yield from _counted_rows(table, written)
    if values == "losses":
        n_negative = int((table.validation_scores[~is_sentinel] < 0).sum())
        if n_negative:
            verb = "is" if n_negative == 1 else "are"
            what = counted(n_negative, "loss")
            yield f"{what} {verb} negative: if the values are gains, say so when importing."
        else:
            yield from _accuracies(table)


def _sentinels(
    table: ScoreTable, written: FloatArray, number: float, values: Literal["losses", "gains", "reported"]
) -> NDArray[np.bool_]:
    """Return ``[E]``: cells of a number that seems to stand for a task that is not in the network.

    Such a number is out of place among all others, and each network has another one beside it. Where cells
    are blank, absence is written so: there a 0 is doubted only if the other losses of its task lie close
    together.
    A gain of 0 is as good as any. A number that is not known for that use has to stand in several tasks.
    """
    found: NDArray[np.bool_] = written == number
    is_other = ~np.isnan(written) & ~found
    others = written[is_other]
    none = np.zeros_like(found)
    n_other = table.cells.row_sums(is_other)
    if not (found.any() and n_other[table.cells.rows[found]].all()):
        return none
    if number in (0.0, -1.0):
        if values != "losses" or others.min() <= number or others.min() < 0:
            return none
        return none if number == 0.0 and not _holds_all(table) and _varies(table, written, found) else found
    if number in SENTINELS and np.abs(others).max() * OUT_OF_PLACE <= abs(number):
        return found
    is_repeated = found.sum() >= MIN_REPEATED and len(set(table.cells.columns[found].tolist())) > 1
    is_negative = values == "losses" and number < 0 <= others.min()
    return found if is_repeated and (is_negative or np.abs(others).max() * 2 <= abs(number)) else none


def _extremes(written: FloatArray) -> tuple[float, ...]:
    """Return the least and the largest number of a table, where they are not known to stand for absence."""
    measured = written[~np.isnan(written)]
    ends = {float(measured.min()), float(measured.max())} if len(measured) else set()
    return tuple(sorted(ends.difference(SENTINELS)))


def _varies(table: ScoreTable, written: FloatArray, found: NDArray[np.bool_]) -> bool:
    """Return whether other values of a task vary by half of the largest, so that a 0 may be one of them."""
    for t in set(table.cells.columns[found].tolist()):
        others = written[(table.cells.columns == t) & ~found & ~np.isnan(written)]
        if not len(others) or 2 * others.min() <= others.max():
            return True
    return False


def _sentinel_sentence(table: ScoreTable, number: float, found: NDArray[np.bool_]) -> str:
    names = Listing()
    names.extend(
        f"{table.task_names[t]} in {table.networks[n].name(table.task_names)}"
        for n, t in zip(table.cells.rows[found].tolist(), table.cells.columns[found].tolist(), strict=True)
    )
    verb = "is" if names.count == 1 else "are"
    places = enumerated(names.named, names.count)
    return (
        f"{counted(names.count, 'value')} {verb} exactly {number:g} ({places}). If {number:g} stands for a "
        "task that is not in the network, leave the cell blank: it counts as a result now."
    )


def _nan_for_absent(table: ScoreTable) -> Iterator[str]:
    """Doubt that tasks without a result are in the network, where every network seems to have all tasks."""
    incomplete = ~table.is_complete
    n_measured = table.cells.row_sums(~np.isnan(table.cell_losses))
    if _holds_all(table) and len(table.tasks) > 1 and incomplete.any() and n_measured[incomplete].all():
        yield (
            "Every network seems to hold all tasks, with results missing. Where a task is not in the "
            "network, leave it out (a blank cell, not nan): then the network takes part."
        )


def _counted_rows(table: ScoreTable, written: FloatArray) -> Iterator[str]:
    """Doubt tasks whose values count the networks, as an index with a heading does."""
    n = len(table.networks)
    for t in (
        np.flatnonzero(np.bincount(table.cells.columns, minlength=len(table.tasks)) == n) if n > 2 else ()
    ):
        values = written[table.cells.columns == t]
        if values[0] in (0, 1) and bool((np.diff(values) == 1).all()):
            yield (
                f"The values of {table.task_names[t]} are {', '.join(f'{v:g}' for v in values[:3])} and so "
                "on: if it is an index and no task, leave the column out."
            )


def _holds_all(table: ScoreTable) -> bool:
    """Return whether every network has all tasks."""
    return table.cells.n_cells == len(table.networks) * len(table.tasks)


def _accuracies(table: ScoreTable) -> Iterator[str]:
    """Doubt that values are losses which have the name or the range of an accuracy, or grow with the size."""
    if any(task.metric is not None for task in table.tasks):
        return  # whoever knows the metric has turned it
    named = [name for name in table.task_names if _HIGHER_BETTER.search(name)]
    if named:
        yield f"Named like a metric that is higher better: {enumerated(named, len(named))}; {_LOOK_AGAIN}"
        return
    n_higher, n_lower = _directions(table)
    losses = table.cell_losses[~np.isnan(table.cell_losses)]
    if n_higher + n_lower >= MIN_PAIRS and n_higher >= 0.9 * (n_higher + n_lower):
        yield (
            f"Larger networks of the same tasks have higher values in {n_higher} of "
            f"{n_higher + n_lower} pairs; {_LOOK_AGAIN}"
        )
    elif len(losses) and n_lower <= n_higher and losses.min() < losses.max() and _looks_like_shares(losses):
        span = f"between {losses.min():.3g} and {losses.max():.3g}"
        yield f"All values lie {span}, as accuracies do; {_LOOK_AGAIN}"


def _looks_like_shares(values: FloatArray) -> bool:
    """Return whether these could be accuracies well above a half, as shares or in percent."""
    return any(
        0.5 * whole <= values.min() and values.max() <= whole and np.median(values) >= 0.7 * whole
        for whole in (1.0, 100.0)
    )


def _directions(table: ScoreTable) -> tuple[int, int]:
    """Count values that are higher, and those that are lower, in the next larger network of a group."""
    by_group: dict[frozenset[str], list[int]] = defaultdict(list)
    for n in sorted(range(len(table.networks)), key=lambda n: table.networks[n].size):
        by_group[table.networks[n].group].append(n)
    pairs = [pair for rows in by_group.values() for pair in pairwise(rows)]
    if not pairs:
        return 0, 0
    smaller, larger = np.array(pairs).T
    # Both have the same tasks, so their cells stand in the same order.
    change = table.cell_losses[table.cells.of_rows(larger)] - table.cell_losses[table.cells.of_rows(smaller)]
    return int((change > 0).sum()), int((change < 0).sum())
