"""The cheapest candidates that serve every block: a weighted set cover, solved by HiGHS.

    minimise    sum c[n] x[n]
    subject to  sum over n that can serve b of x[n] >= 1   for every block b   (= 1 in a partition)
                sum c[n, r] x[n] <= limit[r],   x[n] in {0, 1}

Losses play no part, so a candidate is left out if another serves all its blocks and costs no more in any way.
The programme is handed over as a sparse matrix (`scipy.optimize.milp`), so that it is there at once for a
million cells. A cover by greedy choice (Chvatal, 1979) stands beside it for where time runs out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.errors import SolverError
from grouping.solver.deadlines import deadline_in, is_past, left_s
from grouping.solver.exact.block_losses import BlockLosses
from grouping.solver.exact.instance import Instance, IntArray

_MOST_DOMINATORS = 4_000
_CHUNK = 256
_FOR_DOMINATED = 0.2
"""Part of the time that may go into leaving out dominated candidates."""
_OVERHEAD_S = 0.2
"""Wall time that HiGHS may go beyond its limit, about."""
_MOST_CELLS = 50_000
"""Cells beyond which HiGHS is not asked where time is limited: it would go far beyond."""
_SOLVED, _STOPPED, _INFEASIBLE = 0, 1, 2  # status of `scipy.optimize.milp`


def find_cover(
    instance: Instance, limits: FloatArray, *, time_limit_s: float | None = None
) -> tuple[tuple[int, ...] | None, bool]:
    """Find the cheapest cover by the first resource, forced candidates included.

    Args:
        instance: candidates.
        limits: ``[R]``.
        time_limit_s: wall time; past it the cheapest cover found is given.

    Returns:
        The candidates, None if none was found; and whether that is proven: cheapest, or that there is none.

    Raises:
        SolverError: if HiGHS fails.
    """
    if instance.is_contradictory or (limits < 0).any():
        return None, True
    deadline = deadline_in(time_limit_s)
    usable = np.asarray((instance.costs <= limits).all(axis=1))
    kept = np.flatnonzero(usable & ((instance.losses.n_served > 0) | instance.is_forced))
    served = instance.losses.select(kept)
    if not np.bincount(served.cells.columns, minlength=instance.n_blocks).all():
        return None, True
    if not _may_fit(served, instance.costs[kept], limits):
        return None, True
    known: tuple[int, ...] | None = None
    if not instance.is_partition:
        greedy = kept[_greedy(served, instance.costs[kept], instance.is_forced[kept])]
        if (instance.costs[greedy].sum(axis=0) <= limits).all():
            known = tuple(np.sort(greedy).tolist())
        part_s = None if time_limit_s is None else _FOR_DOMINATED * time_limit_s
        kept = kept[_undominated(served, instance.costs[kept], instance.is_forced[kept], deadline_in(part_s))]
        served = instance.losses.select(kept)
    found, is_proven = _cheapest(instance, limits, kept, served, deadline)
    if found is None and is_proven:
        return None, True
    options = [choice for choice in (found, known) if choice is not None]
    best = min(options, key=lambda choice: float(instance.costs[list(choice), 0].sum()), default=None)
    return best, is_proven


def _cheapest(
    instance: Instance, limits: FloatArray, kept: IntArray, served: BlockLosses, deadline: float | None
) -> tuple[tuple[int, ...] | None, bool]:
    """Solve the programme over some candidates; return the cover, and whether that is proven."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    cells, costs = served.cells, instance.costs[kept]
    serves = csr_array(
        (np.ones(cells.n_cells), (cells.columns, cells.rows)), shape=(instance.n_blocks, len(kept))
    )
    most_servers = 1.0 if instance.is_partition else np.inf
    demands: list[Any] = [LinearConstraint(serves, 1.0, most_servers)]
    limited = np.flatnonzero(np.isfinite(limits))
    if limited.size:
        demands.append(LinearConstraint(costs[:, limited].T, -np.inf, limits[limited]))
    while True:
        left = left_s(deadline)
        if left is not None and (left <= _OVERHEAD_S or cells.n_cells > _MOST_CELLS):
            return None, False
        answer = milp(
            costs[:, 0],
            integrality=np.ones(len(kept)),
            bounds=Bounds(instance.is_forced[kept].astype(float), 1.0),
            constraints=demands,
            options={"mip_rel_gap": 0.0} | ({} if left is None else {"time_limit": left - _OVERHEAD_S}),
        )
        if answer.status == _INFEASIBLE:
            return None, True
        if answer.status not in (_SOLVED, _STOPPED):
            raise SolverError(f"HiGHS failed on the cheapest cover: {answer.message}")
        if answer.x is None:
            return None, False
        inside = answer.x > 0.5
        rows = kept[inside]
        if (instance.costs[rows].sum(axis=0) <= limits).all():
            return tuple(rows.tolist()), answer.status == _SOLVED
        # This choice passes a limit by the solver's tolerance.
        demands.append(LinearConstraint(inside.astype(float)[None, :], -np.inf, inside.sum() - 1.0))


def _may_fit(served: BlockLosses, costs: FloatArray, limits: FloatArray) -> bool:
    """Return False where even parts of candidates that share no block would pass a limit."""
    for r in np.flatnonzero(np.isfinite(limits)).tolist():
        with np.errstate(divide="ignore", invalid="ignore"):
            order = np.argsort(-served.n_served / costs[:, r], kind="stable")
        spent, n_served = np.cumsum(costs[order, r]), np.cumsum(served.n_served[order])
        at = int(np.searchsorted(n_served, served.shape[1]))  # the part of it that would do
        before = n_served[at - 1] if at else 0
        part = (served.shape[1] - before) / served.n_served[order[at]]
        if spent[at] - (1.0 - part) * costs[order[at], r] > limits[r] * (1.0 + 1e-9) + 1e-12:
            return False
    return True


def _greedy(served: BlockLosses, costs: FloatArray, is_forced: Any) -> IntArray:
    """Add what serves most open blocks for its cost until none is open, then drop what is not needed."""
    cells = served.cells
    shares = (costs / np.maximum(costs.max(axis=0, initial=0.0), 1e-300)).max(axis=1, initial=0.0)
    is_open = np.ones(cells.n_tasks, dtype=np.bool_)
    chosen = np.flatnonzero(is_forced).tolist()
    n_open = served.n_served.astype(np.float64)

    def close(n: int) -> None:
        blocks = cells.columns[cells.of_row(n)]
        for b in blocks[is_open[blocks]].tolist():
            n_open[served.served_from(b)[0]] -= 1.0
        is_open[blocks] = False

    for n in chosen:
        close(n)
    while is_open.any():
        chosen.append(int(np.argmax(n_open / np.maximum(shares, 1e-9))))
        close(chosen[-1])
    count = np.bincount(cells.columns[cells.of_rows(chosen)], minlength=cells.n_tasks)
    for n in sorted(chosen, key=lambda n: -shares[n]):
        blocks = cells.columns[cells.of_row(n)]
        if not is_forced[n] and (count[blocks] > 1).all():
            chosen.remove(n)
            count[blocks] -= 1
    return np.array(chosen, dtype=np.int64)


def _undominated(served: BlockLosses, costs: FloatArray, is_forced: Any, deadline: float | None) -> IntArray:
    """Drop candidates of which another serves every block at no more cost; of equal ones the first stays.

    Past the deadline the others stay as well.
    """
    cells = served.cells
    order = np.lexsort((np.arange(len(costs)), costs.sum(axis=1), -served.n_served))
    packed = np.zeros((cells.n_networks, (cells.n_tasks + 7) // 8), dtype=np.uint8)
    np.bitwise_or.at(packed, (cells.rows, cells.columns // 8), (1 << (cells.columns % 8)).astype(np.uint8))
    kept = np.zeros(0, dtype=np.int64)
    for start in range(0, len(order), _CHUNK):
        if is_past(deadline):
            return np.sort(np.concatenate([kept, order[start:]]))
        part = order[start : start + _CHUNK]
        against = np.concatenate([kept[:_MOST_DOMINATORS], part])
        inside = np.ones((len(part), len(against)), dtype=np.bool_)
        for word in range(packed.shape[1]):
            inside &= (packed[part, None, word] & ~packed[None, against, word]) == 0
        for r in range(costs.shape[1]):
            inside &= costs[None, against, r] <= costs[part, None, r]
        own = len(against) - len(part)
        inside[:, own:] = np.tril(inside[:, own:], k=-1)  # only those before it
        kept = np.concatenate([kept, part[~inside.any(axis=1) | is_forced[part]]])
    return np.sort(kept)
