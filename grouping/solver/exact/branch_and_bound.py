"""Branch and bound on a core by Lagrangian bounds: a candidate is taken, or left out.

Each node keeps the candidates that are taken and those still free; some steps of
`grouping.solver.exact.dual_ascent` from the duals of the node above give its bound. By the reduced costs rc
and the gap to the best choice known

    rc[n] > gap          no better choice of the node has n: it is left out
    next - rc[n] > gap   every better choice of the node has n: it is taken

with next the least negative reduced cost that the bound leaves out because the limits allow no more
candidates, and 0 where it has room for all. So few nodes fix most of a core. The node of least bound comes
next, and of its candidates the one of which the relaxation uses nearest to a half is decided. The least bound
of all open nodes is the bound of the whole.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.cells import InstanceCells
from grouping.solver.exact.column_generation import Relaxed, least_left_out
from grouping.solver.exact.dual_ascent import DualAscent
from grouping.solver.exact.instance import BoolArray, Instance, IntArray
from grouping.solver.exact.local_search import LocalSearch

_STEPS = 40
_SEARCHED_EVERY = 8


@dataclass(frozen=True, eq=False)
class Branched:
    """What a search of a core found.

    Attributes:
        chosen: candidates of the best choice that is better than the known one; None if there is none.
        value: its scaled value, or the known one.
        bound: scaled lower bound on every choice that is better than the known one.
        is_closed: whether no node is left.
    """

    chosen: tuple[int, ...] | None
    value: float
    bound: float
    is_closed: bool


@dataclass(frozen=True, eq=False)
class _Node:
    taken: BoolArray  # [N]
    free: BoolArray  # [N]
    relaxed: Relaxed


class _Tree:
    def __init__(self, instance: Instance, limits: FloatArray, value: float, precision: float) -> None:
        self._instance = instance
        self._limits = limits
        self._cells = InstanceCells.of(instance, np.flatnonzero((instance.costs <= limits).all(axis=1)))
        self.chosen: tuple[int, ...] | None = None
        self.value = value
        self.precision = precision
        self.open: list[tuple[float, int, _Node]] = []
        self.n_nodes = 0

    def look(self, taken: BoolArray, free: BoolArray, above: Relaxed, deadline: float | None) -> None:
        """Bound a node; keep it open if it may hold a better choice."""
        self.n_nodes += 1
        instance = self._instance
        limits = self._limits - instance.costs[taken].sum(axis=0)
        if (limits < 0).any():
            return
        free = free & (instance.costs <= limits).all(axis=1)
        kept = np.flatnonzero(taken | free)
        part, cells = self._part(kept, taken), self._cells.select(kept, instance.n_candidates)
        if (np.diff(cells.starts) == 0).any():
            return
        ascent = DualAscent(part, limits, cells)
        relaxed = ascent.solve(self.value, above.select(kept), max_steps=_STEPS, deadline=deadline)
        self._offer(part, limits, cells, relaxed, kept, deadline)
        if self.value - relaxed.bound <= self.precision:
            return
        gap = self.value - relaxed.bound
        taken, free = taken.copy(), free.copy()
        free[kept[relaxed.reduced_costs > gap]] = False
        left_out = least_left_out(part, limits, relaxed.reduced_costs)
        sure = kept[left_out - relaxed.reduced_costs > gap]
        taken[sure], free[sure] = True, False
        wide = Relaxed(
            relaxed.bound,
            relaxed.values,
            relaxed.prices,
            _spread(relaxed.reduced_costs, kept, instance.n_candidates, np.inf),
            _spread(relaxed.use, kept, instance.n_candidates, 0.0),
        )
        heapq.heappush(self.open, (relaxed.bound, self.n_nodes, _Node(taken, free, wide)))

    def _part(self, kept: IntArray, taken: BoolArray) -> Instance:
        """Return the instance of a node: what is taken is paid for and costs nothing."""
        part = self._instance.select(kept)
        paid = taken[kept]
        return replace(part, costs=np.where(paid[:, None], 0.0, part.costs), is_forced=part.is_forced | paid)

    def _offer(
        self,
        part: Instance,
        limits: FloatArray,
        cells: InstanceCells,
        relaxed: Relaxed,
        kept: IntArray,
        deadline: float | None,
    ) -> None:
        """Make a choice of what the relaxation uses most, and keep it if it is better."""
        if self.n_nodes % _SEARCHED_EVERY != 1:
            return
        start = tuple(np.argsort(-relaxed.use, kind="stable")[: part.n_blocks].tolist())
        chosen = LocalSearch(part, limits, cells).best(start, deadline=deadline)
        value = part.value(chosen)
        if value < self.value:
            self.value = value
            self.chosen = tuple(sorted(kept[list(chosen)].tolist()))

    def branch(self, node: _Node, deadline: float | None) -> None:
        """Decide one candidate of a node."""
        free = np.flatnonzero(node.free)
        if not free.size:
            self._finish(node)
            return
        use = node.relaxed.use[free]
        doubt = np.abs(use - 0.5)
        n = int(free[np.lexsort((np.abs(node.relaxed.reduced_costs[free]), np.round(doubt, 3)))[0]])
        rest = node.free.copy()
        rest[n] = False
        taken = node.taken.copy()
        taken[n] = True
        self.look(taken, rest, node.relaxed, deadline)
        self.look(node.taken, rest, node.relaxed, deadline)

    def _finish(self, node: _Node) -> None:
        chosen = tuple(np.flatnonzero(node.taken).tolist())
        value = self._instance.value(chosen)
        fits = (self._instance.costs[node.taken].sum(axis=0) <= self._limits).all()
        if fits and value < self.value:
            self.value, self.chosen = value, chosen


def branch_and_bound(
    instance: Instance,
    limits: FloatArray,
    relaxed: Relaxed,
    value: float,
    *,
    precision: float,
    max_nodes: int | None,
    deadline: float | None = None,
) -> Branched:
    """Search a core for a choice that is better than a known value.

    Args:
        instance: the core; no partition.
        limits: ``[R]``.
        relaxed: duals to start from.
        value: scaled value to beat.
        precision: scaled difference that does not count.
        max_nodes: most nodes; None for no limit.
        deadline: a time of `time.monotonic`.
    """
    tree = _Tree(instance, limits, value, precision)
    tree.look(instance.is_forced.copy(), ~instance.is_forced, relaxed, deadline)
    while tree.open:
        bound, _, node = tree.open[0]
        if tree.value - bound <= precision:
            break
        if (max_nodes is not None and tree.n_nodes >= max_nodes) or is_past(deadline):
            return Branched(tree.chosen, tree.value, bound, is_closed=False)
        heapq.heappop(tree.open)
        tree.branch(node, deadline)
        if is_past(deadline):  # a node may have been bounded too early to count
            left = min([bound, *(other for other, _, _ in tree.open)])
            return Branched(tree.chosen, tree.value, left, is_closed=False)
    return Branched(tree.chosen, tree.value, tree.value, is_closed=True)


def _spread(part: FloatArray, kept: IntArray, n_candidates: int, other: float) -> FloatArray:
    whole = np.full(n_candidates, other)
    whole[kept] = part
    return whole
