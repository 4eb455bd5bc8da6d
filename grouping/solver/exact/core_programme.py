"""A core as a 0/1 programme: only the cells that the bound leaves over, in PuLP.

A grouping in which t is served by n at ``L[n, t] > v[t]`` costs at least ``bound + rc[n] + L[n, t] - v[t]``.
So within a slack few cells are left even of a large table: of 1.7 million cells two to fifteen thousand where
the bound is within 0.05 % of the best grouping known, and HiGHS decides them in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import left_s
from grouping.solver.exact.column_generation import Relaxed
from grouping.solver.exact.instance import BoolArray, Instance, IntArray
from grouping.solver.exact.programme import DEFAULT_SOLVER, solve_programme
from grouping.solver.exact.root import is_valid

_MOST_CELLS = 50_000
"""Cells beyond which a core is not handed to HiGHS, which would go far beyond its time limit."""
_WRITING_S = 5e-5
"""Seconds that PuLP takes to write down a cell; a programme is not begun with less time."""
_MOST_COMPARED = 500_000_000
"""Pairs of numbers that are compared to find dominated candidates of a core."""


def cells_within(instance: Instance, relaxed: Relaxed, kept: IntArray, tau: float) -> BoolArray:
    """Return which cells of these candidates, in order, groupings within `tau` of the bound can use."""
    of = instance.losses.cells
    at = of.of_rows(kept)
    rows = of.rows[at]
    extra = np.maximum(0.0, instance.losses.values[at] - relaxed.values[of.columns[at]])
    within: BoolArray = (relaxed.reduced_costs[rows] + extra <= tau) | instance.is_forced[rows]
    return within


def solve_core(
    instance: Instance,
    relaxed: Relaxed,
    limits: FloatArray,
    tau: float,
    *,
    start: Sequence[int] | None = None,
    solver: str = DEFAULT_SOLVER,
    deadline: float | None = None,
) -> tuple[tuple[int, ...] | None, float, bool]:
    """Search the groupings within `tau` of the bound by a programme.

    Args:
        instance: all candidates.
        relaxed: bound and reduced costs of them.
        limits: ``[R]``.
        tau: scaled slack.
        start: a good choice, from which HiGHS begins.
        solver: PuLP's name of the solver.
        deadline: a time of `time.monotonic`.

    Returns:
        The best choice found; a bound on all within `tau`; and whether it is proven: best, or that there is
        none.
    """
    kept: IntArray = np.flatnonzero((relaxed.reduced_costs <= tau) | instance.is_forced)
    if not instance.is_partition:
        kept = kept[_is_undominated(instance.select(kept)) | np.isin(kept, start or ())]
    core = replace(instance.select(kept), limits=limits)
    of = core.losses.cells
    whole = np.ones(of.n_cells, dtype=np.bool_)
    cells = whole if core.is_partition else cells_within(instance, relaxed, kept, tau)
    if not np.bincount(of.columns[cells], minlength=core.n_blocks).all():
        return None, np.inf, True
    left = left_s(deadline, at_least=0.0)
    is_short = left is not None and left < _WRITING_S * float(cells.sum())
    if solver == DEFAULT_SOLVER and (is_short or cells.sum() > _MOST_CELLS):
        return None, relaxed.bound, False
    place = {n: i for i, n in enumerate(kept.tolist())}
    is_within = start is not None and all(n in place for n in start)
    excluded: list[tuple[int, ...]] = []
    while True:
        result = solve_programme(
            core,
            cells=cells,
            excluded=excluded,
            start=[place[n] for n in start] if start is not None and is_within else None,
            solver=solver,
            time_limit_s=left_s(deadline),
        )
        chosen = None if result.chosen is None else tuple(int(kept[n]) for n in result.chosen)
        if chosen is None or is_valid(instance, chosen, limits):
            break
        excluded.append(result.chosen or ())  # passes a limit by the solver's tolerance
    bound = np.inf if result.is_proven and chosen is None else result.bound
    return chosen, relaxed.bound if bound is None else bound, result.is_proven


def _is_undominated(core: Instance) -> BoolArray:
    """Return ``[N]``: whether no other candidate is as good everywhere; of equal ones the first stays."""
    n = core.n_candidates
    undominated = core.is_forced.copy()
    if n * n * core.n_blocks > _MOST_COMPARED:
        return np.ones(n, dtype=np.bool_)
    losses = core.losses[:]
    for i in np.flatnonzero(~undominated):
        as_good = (losses <= losses[i]).all(axis=1) & (core.costs <= core.costs[i]).all(axis=1)
        as_good[i] = False
        equal = (losses[i] == losses).all(axis=1) & (core.costs[i] == core.costs).all(axis=1)
        as_good &= ~equal | (np.arange(n) < i)
        undominated[i] = not as_good.any()
    return undominated
