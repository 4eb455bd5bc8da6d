"""Exact search in three steps: bound the loss, fix candidates, and decide the small core that remains.

1. `grouping.solver.exact.root` gives a good grouping and a lower bound with duals. Often they meet: then
   nothing is left to prove.
2. Otherwise let `tau` be a small slack. A grouping with a candidate or cell whose reduced cost is above `tau`
   has a value above ``bound + tau``, so the *core* of the others decides everything up to that value. If the
   best of the core is at most ``bound + tau``, it is the optimum of all; if not, it bounds the optimum from
   above, `tau` grows up to the remaining gap, and the next core decides.
3. A core is first searched by `grouping.solver.exact.enumeration`, which closes most of them within some
   hundred nodes, then by `grouping.solver.exact.branch_and_bound`, which comes first where there are many
   blocks; what they do not close goes to a 0/1 programme in PuLP (`grouping.solver.exact.core_programme`),
   less the candidates that another one dominates: serves no block worse and costs no more. Where many blocks
   leave few cells, it goes there after a few nodes. A solver other than the default gets every core.
4. Where nothing hints at a grouping, the cheapest cover (`grouping.solver.exact.cover`) is one, or proves
   that there is none.
5. The columns stay for the next budget, and its search starts from the groupings of the smaller ones.

Proof never rests on a heuristic: either the bound meets the value, or the core of all candidates that the
bound does not exclude was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past, left_s
from grouping.solver.exact.branch_and_bound import branch_and_bound
from grouping.solver.exact.cells import FittingCells
from grouping.solver.exact.column_generation import Relaxation, Relaxed
from grouping.solver.exact.core_programme import cells_within, solve_core
from grouping.solver.exact.cover import find_cover
from grouping.solver.exact.enumeration import MAX_NODES, Enumerated, enumerate_groupings
from grouping.solver.exact.instance import PRECISION, Instance
from grouping.solver.exact.local_search import LocalSearch
from grouping.solver.exact.programme import DEFAULT_SOLVER, check_solver
from grouping.solver.exact.root import Root, is_valid

_SEARCH_NODES = 20_000
_BRANCHED_NODES = 500
_MOST_LOOKED_AT = 100_000_000
"""Cells that an enumeration looks at, which bounds its nodes on large cores."""
_MOST_ENUMERATED = 4_000_000
"""Numbers of a core, candidates times blocks, beyond which it is not enumerated at all."""
_MOST_CELLS_HANDED = 20_000
"""Cells of a core of many blocks up to which it is handed over after a few nodes."""
_NODES_BEFORE = 100
"""Nodes of such a core before it is: many close with them, in a tenth of the time that HiGHS takes."""
_NUMBERS_BEFORE = 10_000_000
"""Candidates times blocks of the core times nodes: of large cores there are fewer nodes."""
_FEWEST_BEFORE = 10
_FEWEST_NODES = 100


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best choice found under one set of limits, with its lower bound.

    Attributes:
        limits: ``[R]``.
        chosen: candidates, forced ones included; None if none was found.
        value: scaled; infinite if none was found.
        bound: scaled lower bound.
        is_proven: whether `chosen` is optimal, or that there is none.
        relaxed: duals at the root.
    """

    limits: FloatArray
    chosen: tuple[int, ...] | None
    value: float
    bound: float
    is_proven: bool
    relaxed: Relaxed | None


class ExactSearch:
    """Solves one instance under several limits."""

    def __init__(self, instance: Instance, *, solver: str = DEFAULT_SOLVER) -> None:
        check_solver(solver)
        self.instance = instance
        self._solver = solver
        self._relaxation = Relaxation(instance)
        self._fitting = FittingCells(instance)
        # Scaled losses are at most 1: no grouping has a higher value.
        self._worst = instance.n_blocks + 1.0

    def solve(
        self,
        limits: FloatArray,
        *,
        starts: Sequence[tuple[int, ...]] = (),
        deadline: float | None = None,
        max_nodes: int | None = None,
    ) -> Optimum:
        """Find the candidates of least value within the limits.

        Args:
            limits: ``[R]``, from `Instance.limits_for`.
            starts: known choices, such as those of smaller budgets.
            deadline: a time of `time.monotonic`.
            max_nodes: settle for the best found by one search over so many nodes, or by local search where
                it is 0 or there are very many blocks; None goes on to the proof.
        """
        instance = self.instance
        if instance.is_contradictory or (limits < 0).any():
            return Optimum(limits, None, np.inf, np.inf, True, None)
        limits = instance.attainable(limits)
        root = Root(instance, limits, self._relaxation, self._fitting, starts)
        is_rough = max_nodes == 0 and not instance.is_partition
        if is_rough or (max_nodes is not None and not self._relaxation.is_suited):
            return Optimum(limits, root.at_once(deadline), root.value, 0.0, False, None)
        relaxed = root.bound(deadline)
        best, value, bound = root.chosen, root.value, relaxed.bound
        if best is None and bound > instance.n_blocks + PRECISION:  # scaled losses are at most 1
            return Optimum(limits, None, np.inf, np.inf, True, None)
        if best is None:
            cover, is_known = find_cover(instance, limits, time_limit_s=left_s(deadline, at_least=0.4))
            if cover is not None:
                best, value = cover, instance.value(cover)
            elif is_known:
                return Optimum(limits, None, np.inf, np.inf, True, None)
        tau = self._first_slack(relaxed) if self._relaxation.is_suited else np.inf
        while True:
            if value - bound <= instance.precision:
                return Optimum(limits, best, value, value, True, relaxed)
            if is_past(deadline):
                return Optimum(limits, best, value, bound, False, relaxed)
            tau = min(tau, value - relaxed.bound + PRECISION)
            found, reached, is_closed = self._decide(relaxed, limits, tau, best, value, deadline, max_nodes)
            if found is not None and instance.value(found) < value:
                best, value = root.completed(found), instance.value(found)
            if not is_closed:
                bound = max(bound, min(reached, relaxed.bound + tau, value))
                return Optimum(limits, best, value, bound, False, relaxed)
            if value <= relaxed.bound + tau or np.isinf(tau):
                return Optimum(limits, best, value, value, True, relaxed)
            bound = max(bound, relaxed.bound + tau)
            tau = _next_slack(tau, relaxed)

    def best_without(
        self, n: int, chosen: Sequence[int], limits: FloatArray, deadline: float | None
    ) -> tuple[int, ...] | None:
        """Search, from a choice, for a good one without one of its candidates; None if there is none near."""
        if self.instance.is_partition:
            return None
        cells = self.instance.losses.cells
        instance = replace(self.instance, losses=self.instance.losses.where(cells.rows != n))
        fitting = FittingCells(instance).few_within(limits)
        rest = tuple(m for m in chosen if m != n)
        found = LocalSearch(instance, limits, fitting).best(rest, deadline=deadline)
        if n in found or not is_valid(instance, found, limits):
            return None
        return tuple(np.union1d(found, np.flatnonzero(instance.is_forced)).astype(np.int64).tolist())

    def enumerate(
        self,
        optimum: Optimum,
        at_most: float,
        order: Callable[[int], tuple[object, ...]],
        *,
        tolerance: float = 0.0,
        n_best: int | None = None,
        n_stop: int | None = None,
        max_nodes: int = MAX_NODES,
        deadline: float | None = None,
    ) -> Enumerated:
        """Find the groupings of value up to `at_most` under the limits of an optimum.

        Args:
            optimum: what `solve` gave.
            at_most: scaled value.
            order: sort key of a candidate, for equal losses.
            tolerance: scaled difference that does not count.
            n_best: only the best few.
            n_stop: stop after this many.
            max_nodes: give up after this many nodes.
            deadline: a time of `time.monotonic`.
        """
        if optimum.relaxed is None:
            return Enumerated((), is_complete=True)
        slack = at_most - optimum.relaxed.bound + PRECISION
        kept = np.flatnonzero((optimum.relaxed.reduced_costs <= slack) | self.instance.is_forced)
        if kept.size * self.instance.n_blocks > _MOST_ENUMERATED:
            return Enumerated((), is_complete=False)
        kept = np.array(sorted(kept.tolist(), key=order), dtype=np.int64)
        found = enumerate_groupings(
            replace(self.instance.select(kept), limits=optimum.limits),
            optimum.relaxed.select(kept),
            at_most,
            tolerance=tolerance,
            n_best=n_best,
            n_stop=n_stop,
            max_nodes=max(
                _FEWEST_NODES, min(max_nodes, _MOST_LOOKED_AT // max(1, kept.size * self.instance.n_blocks))
            ),
            deadline=deadline,
        )
        choices = tuple((value, tuple(int(kept[n]) for n in chosen)) for value, chosen in found.choices)
        return Enumerated(choices, found.is_complete)

    def _decide(
        self,
        relaxed: Relaxed,
        limits: FloatArray,
        tau: float,
        best: tuple[int, ...] | None,
        value: float,
        deadline: float | None,
        max_nodes: int | None,
    ) -> tuple[tuple[int, ...] | None, float, bool]:
        """Search the core within `tau`; return its best choice, a bound, and whether the core is closed."""
        programme = partial(
            solve_core, self.instance, relaxed, limits, solver=self._solver, deadline=deadline
        )
        if self._solver != DEFAULT_SOLVER:
            return programme(tau)
        kept = np.flatnonzero((relaxed.reduced_costs <= tau) | self.instance.is_forced)
        core = replace(self.instance.select(kept), limits=limits)
        is_small = self._relaxation.is_suited or max_nodes is not None
        if is_small:
            found = enumerate_groupings(
                core,
                relaxed.select(kept),
                relaxed.bound + min(tau, self._worst),
                n_best=1,
                max_nodes=max_nodes or _SEARCH_NODES,
                deadline=deadline,
            )
            if found.is_complete or max_nodes or is_past(deadline):
                chosen = tuple(int(kept[n]) for n in found.choices[0][1]) if found.choices else None
                reached = found.choices[0][0] if found.choices else np.inf
                return chosen, reached if found.is_complete else relaxed.bound, found.is_complete
        if core.is_partition:
            return programme(tau)
        within = cells_within(self.instance, relaxed, kept, tau)
        core = replace(core, losses=core.losses.where(within))
        most = _BRANCHED_NODES if is_small else None
        if not is_small and within.sum() <= _MOST_CELLS_HANDED:
            most = min(_NODES_BEFORE, max(_FEWEST_BEFORE, _NUMBERS_BEFORE // max(1, core.losses.size)))
        branched = branch_and_bound(
            core,
            limits,
            relaxed.select(kept),
            min(value, relaxed.bound + tau, self._worst),
            precision=self.instance.precision,
            max_nodes=most,
            deadline=deadline,
        )
        chosen = None if branched.chosen is None else tuple(int(kept[n]) for n in branched.chosen)
        if most is None or branched.is_closed or is_past(deadline):
            return chosen, branched.bound, branched.is_closed
        slack = min(tau, branched.value - relaxed.bound + PRECISION)
        better, bound, is_closed = programme(slack, start=chosen or best)
        return better or chosen, max(bound, branched.bound), is_closed

    def _first_slack(self, relaxed: Relaxed) -> float:
        """Return a slack that some dozens of candidates are within."""
        wanted = 30 + 3 * self.instance.n_blocks
        if self.instance.n_candidates <= wanted:
            return np.inf
        return max(float(np.partition(relaxed.reduced_costs, wanted)[wanted]), PRECISION)


def _next_slack(tau: float, relaxed: Relaxed) -> float:
    """Twice as much slack, and all there is once that is most of the candidates."""
    wider = 2.0 * tau
    return wider if (relaxed.reduced_costs > wider).sum() > relaxed.reduced_costs.size // 2 else np.inf
