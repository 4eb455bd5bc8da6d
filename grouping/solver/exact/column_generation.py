"""Column generation: a lower bound for the grouping problem, with duals.

A chosen network serves some set P of its blocks. With a variable z for each pair (n, P), the relaxation of
the grouping problem has one row per block and resource only:

    minimise    sum (sum over b in P of L[n, b]) z[n, P]
    subject to  sum of z[n, P] over P with b in P  >= 1    (dual v[b] >= 0; an equation in a partition)
                sum c[n, r] z[n, P] <= limit[r]            (dual price[r] >= 0)

It is as strong as the relaxation with a variable per cell (``y <= x``), whose size is that of the table.
For given duals the best P of a network is known, P = {b : L[n, b] < v[b]}, so a pass over the table prices
every column there is:

    reduced cost of n:  rc[n] = sum_r price[r] c[n, r] - sum_b max(0, v[b] - L[n, b])

and columns enter until none is negative (Dantzig and Wolfe, 1960; Gilmore and Gomory, 1961). Any duals v,
price >= 0 give a valid bound (Lagrange):

    sum v - sum_r price[r] limit[r] + sum of the k most negative rc      (k: most networks the limits allow)

It is computed from the table in double precision, not taken from the solver. A network with
``rc[n] > best known - bound`` is in no better grouping: that is what removes almost all candidates.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import highspy
import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.deadlines import is_past, left_s
from grouping.solver.exact.instance import PRECISION, BoolArray, Instance, IntArray

MAX_GENERATED_BLOCKS = 40
"""Most blocks for which column generation is tried; programmes of more are too degenerate."""
_MAX_ROUNDS = 60
_MOST_ASCENDED = 2_000_000
"""Numbers of a table up to which dual ascent is tried in place of further rounds."""
_CHUNK = 1 << 14
_INTEGRAL = 1e-6


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A solution of the relaxation: duals, the bound and the reduced costs that they give.

    Attributes:
        bound: scaled lower bound on every grouping within the limits.
        values: ``[B]`` duals of the blocks: what serving a block may cost.
        prices: ``[R]`` duals of the resources.
        reduced_costs: ``[N]``; infinite for candidates that do not fit the limits alone.
        use: ``[N]`` how much of each candidate the relaxation uses.
        is_optimal: whether no duals give a higher bound, up to `PRECISION`.
    """

    bound: float
    values: FloatArray
    prices: FloatArray
    reduced_costs: FloatArray
    use: FloatArray
    is_optimal: bool = False

    def select(self, keep: IntArray) -> Relaxed:
        """Return the same duals with these candidates only."""
        return replace(self, reduced_costs=self.reduced_costs[keep], use=self.use[keep])

    def integral_choice(self) -> tuple[int, ...] | None:
        """Return the candidates in use if the relaxation uses whole ones only, else None."""
        used = np.flatnonzero(self.use > _INTEGRAL)
        if not used.size or (np.abs(self.use[used] - 1.0) > _INTEGRAL).any():
            return None
        return tuple(int(n) for n in used)


class Relaxation:
    """The relaxation of one instance; keeps its columns from one set of limits to the next.

    Attributes:
        is_suited: whether column generation is tried on the instance at all.
        gives_up: whether it ends after some rounds, so that dual ascent goes on from its duals.
        last: duals of the last ascent.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.is_suited = instance.is_partition or instance.n_blocks <= MAX_GENERATED_BLOCKS
        self.gives_up = not instance.is_partition and instance.losses.size <= _MOST_ASCENDED
        self.last: Relaxed | None = None
        self._owner: list[int] = []
        self._known = set[tuple[int, bytes]]()
        self._lp = _new_lp()
        n_blocks, n_resources = instance.n_blocks, instance.costs.shape[1]
        self._unit_cost = np.maximum(instance.costs.max(axis=0, initial=0.0), 1e-300)
        nothing = (0, np.array([], dtype=np.int32), np.array([], dtype=np.float64))
        for _ in range(n_blocks):
            self._lp.addRow(1.0, 1.0 if instance.is_partition else highspy.kHighsInf, *nothing)
        for _ in range(n_resources):
            self._lp.addRow(-highspy.kHighsInf, highspy.kHighsInf, *nothing)
        # A block may stay unserved at a price above any grouping's: the programme is never infeasible.
        penalty = 10.0 * (n_blocks + 1.0)
        for b in range(n_blocks):
            self._lp.addCol(penalty, 0.0, highspy.kHighsInf, 1, np.array([b], dtype=np.int32), np.ones(1))

    def solve(self, limits: FloatArray, *, deadline: float | None = None) -> Relaxed:
        """Solve under these limits, ``[R]``.

        Args:
            limits: limits of the resources, ``[R]``, as `Instance.limits`.
            deadline: a time of `time.monotonic`; past it the best bound so far is given.
        """
        instance = self._instance
        usable: BoolArray = np.asarray((instance.costs <= limits).all(axis=1))
        n_blocks = instance.n_blocks
        for r, limit in enumerate(limits):
            upper = highspy.kHighsInf if np.isinf(limit) else float(limit / self._unit_cost[r])
            self._lp.changeRowBounds(n_blocks + r, -highspy.kHighsInf, upper)
        for column, n in enumerate(self._owner):
            self._lp.changeColBounds(n_blocks + column, 0.0, highspy.kHighsInf if usable[n] else 0.0)
        relaxed, objective = self._priced(limits, usable, deadline)
        best, is_optimal = relaxed, False
        for n_round in itertools.count(1):
            is_optimal = objective - best.bound <= PRECISION * max(1.0, abs(objective))
            if is_optimal or is_past(deadline) or (self.gives_up and n_round > _MAX_ROUNDS):
                break
            is_new = self._add_columns(relaxed.reduced_costs, relaxed.values)
            if (
                relaxed is not best
            ):  # the duals swing: the mean of these and the best asks for what serves both
                middle = self.between(best, relaxed, limits)
                best = middle if middle.bound > best.bound else best
                is_new |= self._add_columns(middle.reduced_costs, middle.values)
            if not is_new:
                is_optimal = True
                break
            relaxed, objective = self._priced(limits, usable, deadline)
            best = relaxed if relaxed.bound > best.bound else best
        return replace(best, use=self._use(), is_optimal=is_optimal)

    def _priced(self, limits: FloatArray, usable: BoolArray, deadline: float | None) -> tuple[Relaxed, float]:
        """Solve the programme of the columns; return what its duals say of all candidates, and its value."""
        if (left := left_s(deadline)) is not None:
            self._lp.setOptionValue("time_limit", self._lp.getRunTime() + left)
        self._lp.run()
        values, prices, objective = self._duals(limits)
        return price(self._instance, values, prices, limits, usable), objective

    def extend(self, instance: Instance) -> None:
        """Replace the instance by one with more candidates appended; columns and basis stay."""
        self._instance = instance

    def between(self, one: Relaxed, other: Relaxed, limits: FloatArray) -> Relaxed:
        """Return the mean of two duals with the bound and reduced costs it gives; `use` is the other's."""
        usable: BoolArray = np.asarray((self._instance.costs <= limits).all(axis=1))
        values, prices = (one.values + other.values) / 2.0, (one.prices + other.prices) / 2.0
        return replace(price(self._instance, values, prices, limits, usable), use=other.use)

    def _duals(self, limits: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        n_blocks = self._instance.n_blocks
        duals = np.array(self._lp.getSolution().row_dual, dtype=np.float64)
        values = duals[:n_blocks] if self._instance.is_partition else np.maximum(duals[:n_blocks], 0.0)
        prices = np.maximum(-duals[n_blocks:], 0.0) / self._unit_cost
        prices[np.isinf(limits)] = 0.0
        return values, prices, float(self._lp.getInfo().objective_function_value)

    def _add_columns(self, reduced: FloatArray, values: FloatArray) -> bool:
        """Add the most negative columns; return False if none of them is new."""
        instance = self._instance
        wanted: IntArray = np.flatnonzero(reduced < -1e-11)
        n_most = 10 * instance.n_blocks + 20
        if wanted.size > n_most:
            wanted = wanted[np.argpartition(reduced[wanted], n_most)[:n_most]]
        losses = instance.losses[wanted]
        served = np.isfinite(losses) if instance.is_partition else losses < values
        is_new = np.zeros(len(wanted), dtype=np.bool_)
        for i in np.flatnonzero(served.any(axis=1)).tolist():
            key = (int(wanted[i]), served[i].tobytes())
            is_new[i] = key not in self._known
            self._known.add(key)
        if not is_new.any():
            return False
        self._owner += wanted[is_new].tolist()
        used, served = instance.costs[wanted[is_new]] / self._unit_cost, served[is_new]
        entries = np.hstack([served.astype(np.float64), used])
        held = np.hstack([served, np.ones(used.shape, dtype=np.bool_)])
        n_new, ends = len(held), np.cumsum(held.sum(axis=1))
        self._lp.addCols(
            n_new,
            np.array([row[inside].sum() for row, inside in zip(losses[is_new], served, strict=True)]),
            np.zeros(n_new),
            np.full(n_new, highspy.kHighsInf),
            int(ends[-1]),
            np.concatenate([[0], ends[:-1]]).astype(np.int32),
            np.nonzero(held)[1].astype(np.int32),
            entries[held],
        )
        return True

    def _use(self) -> FloatArray:
        use = np.zeros(self._instance.n_candidates)
        columns = np.array(self._lp.getSolution().col_value, dtype=np.float64)[self._instance.n_blocks :]
        np.add.at(use, self._owner[: columns.size], columns)
        return use


def price(
    instance: Instance, values: FloatArray, prices: FloatArray, limits: FloatArray, usable: BoolArray
) -> Relaxed:
    """Compute reduced costs of all candidates and the bound they give.

    Args:
        instance: candidates.
        values: ``[B]`` duals of the blocks.
        prices: ``[R]`` duals of the resources.
        limits: ``[R]``.
        usable: ``[N]``, whether a candidate fits the limits alone.
    """
    reduced = instance.costs @ prices
    reduced -= _savings(instance, values)
    reduced[~usable] = np.inf
    finite = np.isfinite(limits)
    bound = float(values.sum() - prices[finite] @ limits[finite])
    negative = reduced[reduced < 0.0]
    most = _most_chosen(instance, limits, usable)
    if negative.size > most:
        negative = np.partition(negative, most - 1)[:most]
    return Relaxed(bound + float(negative.sum()), values, prices, reduced, reduced)


def _savings(instance: Instance, values: FloatArray) -> FloatArray:
    """Return what each candidate saves for duals of the blocks, ``[N]``; all of its blocks in a partition."""
    losses = instance.losses
    if instance.is_partition or losses.whole is None:
        saved = values[losses.cells.columns] - losses.values
        if not instance.is_partition:
            np.maximum(saved, 0.0, out=saved)
        return losses.cells.row_sums(saved)
    savings = np.zeros(instance.n_candidates)
    for start in range(0, instance.n_candidates, _CHUNK):
        part = slice(start, start + _CHUNK)
        saved = values - losses.whole[part]
        np.maximum(saved, 0.0, out=saved)
        savings[part] = saved.sum(axis=1)
    return savings


def least_left_out(instance: Instance, limits: FloatArray, reduced: FloatArray) -> float:
    """Return the least negative reduced cost that the bound of `price` leaves out; 0 if it has all of them.

    Args:
        instance: candidates.
        limits: ``[R]``.
        reduced: ``[N]`` reduced costs.
    """
    negative = np.sort(reduced[reduced < 0.0])
    most = _most_chosen(instance, limits, np.isfinite(reduced))
    return float(negative[most]) if negative.size > most else 0.0


def _most_chosen(instance: Instance, limits: FloatArray, usable: BoolArray) -> int:
    """Return the most candidates that the limits allow, not counting those without any cost."""
    most = instance.n_candidates
    paying = usable & ~instance.is_forced
    if not paying.any():
        return most
    least = instance.costs[paying].min(axis=0)
    for r in np.flatnonzero(np.isfinite(limits) & (least > 0)):
        most = min(most, int(limits[r] / least[r]) + int(instance.is_forced.sum()))
    return max(most, 1)


def _new_lp() -> highspy.Highs:
    lp = highspy.Highs()  # type: ignore[no-untyped-call]
    lp.setOptionValue("output_flag", False)
    lp.setOptionValue("threads", 1)  # HiGHS keeps one scheduler per process
    lp.setOptionValue("solver", "simplex")
    lp.setOptionValue("simplex_strategy", 4)  # primal: columns come, the basis stays feasible
    lp.setOptionValue("presolve", "off")
    lp.setOptionValue("primal_feasibility_tolerance", 1e-9)
    lp.setOptionValue("dual_feasibility_tolerance", 1e-9)
    return lp
