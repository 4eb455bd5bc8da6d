"""Dual ascent: near-optimal duals of a large instance in some hundred passes over its cells.

For values v of the blocks and prices p of the resources every choice S costs at least (Lagrange; see
`grouping.solver.exact.column_generation`)

    z(v, p) = sum v - p . limits + sum over n of min(0, p . c[n] - s[n]),
    s[n]    = sum over b of max(0, v[b] - L[n, b]).

For given v the best price of one resource is that of a fractional knapsack: candidates by saving per cost
until the limit is used up. What it takes, x, gives a subgradient of z in v,
``1 - sum over n of x[n] [L[n, b] < v[b]]``. Steps follow Polyak's rule towards the best known value, along a
direction that remembers the one before (Held, Wolfe and Crowder, 1974; Camerini, Fratta and Maffioli, 1975);
prices of further resources are moved in the same way. The mean of the last x tells what the relaxation would
use of each candidate (Barahona and Anbil, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past
from grouping.solver.exact.cells import InstanceCells
from grouping.solver.exact.column_generation import Relaxed, price
from grouping.solver.exact.instance import PRECISION, BoolArray, Instance, IntArray

MAX_STEPS = 600
_PATIENCE = 15
_LEAST_STEP = 0.002
_REMEMBERED = 0.5
_FIRST_RANK = 5
_WIDER = 1.15
_NEAR_PRICE = 0.7


@dataclass
class _State:
    values: FloatArray
    prices: FloatArray
    bound: float


class DualAscent:
    """Ascent on one instance that is no partition, under one set of limits.

    Args:
        instance: candidates and limits.
        limits: ``[R]``.
        cells: of the candidates that fit the limits alone.
    """

    def __init__(self, instance: Instance, limits: FloatArray, cells: InstanceCells) -> None:
        self._instance = instance
        self._cells = cells
        self._limits = limits
        self._usable: BoolArray = np.asarray((instance.costs <= limits).all(axis=1))
        finite = np.flatnonzero(np.isfinite(limits))
        self._main = int(finite[0]) if finite.size else None
        self._others: IntArray = finite[1:]

    def start(self) -> tuple[FloatArray, FloatArray]:
        """Return values and prices to begin with: a loss that some candidates are below."""
        starts, losses = self._cells.starts, self._cells.losses
        at = np.minimum(starts[:-1] + _FIRST_RANK, np.maximum(starts[1:] - 1, starts[:-1]))
        return losses[at].copy(), np.zeros(len(self._limits))

    def solve(
        self,
        value: float,
        start: Relaxed | None = None,
        *,
        max_steps: int = MAX_STEPS,
        deadline: float | None = None,
    ) -> Relaxed:
        """Raise the bound until it meets a known value, or steps no longer help.

        Args:
            value: scaled value of a known choice.
            start: duals to start from, such as those of another budget.
            max_steps: most passes over the cells.
            deadline: a time of `time.monotonic`.
        """
        values, prices = self.start() if start is None else (start.values.copy(), start.prices.copy())
        best: _State | None = None
        step, without_gain = 2.0, 0
        direction = np.zeros(values.size + self._others.size)
        mean_use = np.zeros(self._instance.n_candidates)
        window = _Window(self._cells)
        for n_step in range(max_steps):
            at = window.below(values)
            saved = values[self._cells.blocks[at]] - self._cells.losses[at]
            inside = saved > 0.0
            at, saved = at[inside], saved[inside]
            servers = self._cells.candidates[at]
            savings: FloatArray = np.bincount(
                servers, weights=saved, minlength=self._instance.n_candidates
            ).astype(np.float64)
            use, bound, prices = self._knapsack(values, prices, savings)
            mean_use = use if n_step == 0 else mean_use + 0.1 * (use - mean_use)
            if best is None or bound > best.bound:
                is_gain = best is None or bound > best.bound + 1e-4 * abs(value - bound)
                without_gain = 0 if is_gain else without_gain + 1
                best = _State(values.copy(), prices.copy(), bound)
            else:
                without_gain += 1
            if value - best.bound <= PRECISION or is_past(deadline):
                break
            if without_gain >= _PATIENCE:
                step, without_gain = step / 2.0, 0
                values, prices = best.values.copy(), best.prices.copy()
                direction[:] = 0.0
                if step < _LEAST_STEP:
                    break
                continue
            served = np.bincount(self._cells.blocks[at], weights=use[servers], minlength=values.size)
            overuse = (use[:, None] * self._instance.costs[:, self._others]).sum(axis=0)
            gradient = np.concatenate([1.0 - served, overuse - self._limits[self._others]])
            direction = gradient + _REMEMBERED * direction
            length = float((direction**2).sum())
            if length < 1e-18:
                break
            size = step * max(value - bound, PRECISION) / length
            values = np.maximum(0.0, values + size * direction[: values.size])
            prices = prices.copy()
            prices[self._others] = np.maximum(0.0, prices[self._others] + size * direction[values.size :])
        assert best is not None, "at least one step is made"
        relaxed = price(self._instance, best.values, best.prices, self._limits, self._usable)
        return replace(relaxed, use=mean_use)

    def _knapsack(
        self, values: FloatArray, prices: FloatArray, savings: FloatArray
    ) -> tuple[FloatArray, float, FloatArray]:
        """Return use, bound and prices that are best for these values, with the other prices as they are."""
        instance, prices = self._instance, prices.copy()
        worth = np.where(self._usable, savings, 0.0)
        if self._others.size:
            worth -= instance.costs[:, self._others] @ prices[self._others]
        use = np.zeros(instance.n_candidates)
        fixed = float(values.sum() - prices[self._others] @ self._limits[self._others])
        if self._main is None:
            use[worth > 0.0] = 1.0
            return use, fixed - float(np.maximum(0.0, worth).sum()), prices
        costs, limit = instance.costs[:, self._main], self._limits[self._main]
        wanted, before = np.flatnonzero(worth > 0.0), float(prices[self._main])
        with np.errstate(divide="ignore"):
            ratio = worth[wanted] / costs[wanted]
        near = ratio > _NEAR_PRICE * before  # all that a price near the last one takes
        if costs[wanted[near]].sum() > limit:
            wanted, ratio = wanted[near], ratio[near]
        wanted = wanted[np.argsort(-ratio, kind="stable")]
        spent = np.cumsum(costs[wanted])
        n_whole = int(np.searchsorted(spent, limit, side="right"))
        use[wanted[:n_whole]] = 1.0
        prices[self._main] = 0.0
        if n_whole < wanted.size:
            n = int(wanted[n_whole])
            used = float(spent[n_whole - 1]) if n_whole else 0.0
            use[n] = (limit - used) / costs[n]
            prices[self._main] = worth[n] / costs[n]
        taken = wanted[: n_whole + 1]  # no product of whole vectors: it would start threads for each step
        return use, fixed - float((worth[taken] * use[taken]).sum()), prices


class _Window:
    """Cells whose loss may be below the values; looked up anew only when a value leaves its margin."""

    def __init__(self, cells: InstanceCells) -> None:
        self._cells = cells
        self._caps = np.full(len(cells.starts) - 1, -np.inf)
        self._at: IntArray = np.zeros(0, dtype=np.int64)
        self._every = np.arange(len(self._caps))

    def below(self, values: FloatArray) -> IntArray:
        if (values > self._caps).any():
            self._caps = _WIDER * values + 1e-3
            self._at = self._cells.below(self._every, self._caps)
        return self._at
