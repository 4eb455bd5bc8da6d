"""Solver over all groups of many tasks without listing them, for losses estimated from pairs.

Under a pairwise estimate (see `grouping.solver.pairwise.group_search`) a table of all groups has ``2^N``
rows. Only a few of them matter: those whose reduced cost is small under the duals of the relaxation. So
groups are generated.

1. The relaxation of `grouping.solver.exact.column_generation` is solved over a pool of groups.
2. Groups of negative reduced cost join the pool: first those that single changes of known groups reach, then
   those of a search over all groups. When that search finds none, the relaxation is solved over all ``2^N``
   groups, and its value is a lower bound on every grouping.
3. The best grouping of the pool bounds the optimum from above. A second search collects every group whose
   reduced cost is at most the gap; no other is in a better grouping, so the best of the pool is then optimal.

All groups are searched by `GroupSearch.above` where that has few partial groups, else by size with
semidefinite bounds (`grouping.solver.pairwise.semidefinite_search`). Stopped early, the duals still bound:
with M the most that any group may save by the search's own bound and k the most groups the budget allows, no
grouping is better than ``sum v - price * budget + k min(0, price - M)``.

Of more than `MAX_PROVEN_TASKS` tasks groups are made by moves of single tasks, and the bound needs no groups
(`grouping.solver.pairwise.many_tasks`).
"""

from __future__ import annotations

import math
import time

import numpy as np

from grouping.domain.constraints import Constraints
from grouping.domain.costs import most_within
from grouping.domain.groupings import Infeasibility, Solution, SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError, SolverError
from grouping.solver.deadlines import deadline_in, is_past, share_s
from grouping.solver.exact.block_losses import BlockLosses
from grouping.solver.exact.bound_and_fix import ExactSearch, Optimum
from grouping.solver.exact.column_generation import Relaxation, Relaxed
from grouping.solver.exact.instance import PRECISION, BoolArray, Instance
from grouping.solver.exact.programme import DEFAULT_SOLVER
from grouping.solver.pairwise.arrays import scaled_arrays
from grouping.solver.pairwise.estimates import PairwiseEstimate
from grouping.solver.pairwise.group_search import FoundGroups, GroupSearch
from grouping.solver.pairwise.many_tasks import (
    bound_by_shares,
    clusters,
    moved,
    numbers_of_groups,
    without_some,
)
from grouping.solver.pairwise.partner_bound import bound_by_best_partners
from grouping.solver.pairwise.semidefinite_search import SemidefiniteSearch

_POOL = 30_000
MAX_PROVEN_TASKS = 64
"""Tasks up to which groups are searched for until none is missing; for more see `many_tasks`."""
_PERTURBED = 40
"""Times that the groups of a grouping of many tasks are thinned out and filled anew."""
_PER_ROUND, _SEEDS = 400, 60
_FEW_STATES = 100_000
_GENERATING = 0.85
"""Share of the time for generating groups and proving that none is left."""
_PATIENCE = 6
_CENTRED = 1e-5
"""Scaled loss of a task by which the mean of past duals may bound worse than the last."""


def solve_pairwise(
    estimate: PairwiseEstimate,
    budget_snt: float,
    *,
    constraints: Constraints | None = None,
    solver: str = DEFAULT_SOLVER,
    time_limit_s: float | None = 60.0,
) -> Solution:
    """Find the grouping of least estimated loss among all groups of the tasks.

    Args:
        estimate: losses of any group.
        budget_snt: the most the grouping may cost; positive.
        constraints: `apart`, `max_networks` and `max_group_size` are honoured here; others need a score
            table, and so does what tasks demand themselves (`must_not_worsen`).
        solver: PuLP's name of the solver.
        time_limit_s: wall time; past it the answer is the best found, with bound and gap.

    Raises:
        InvalidInputError: if the budget is not a positive number, or a constraint needs a score table.
        UnknownNameError, SolverError: as `solve`.
    """
    if not (math.isfinite(budget_snt) and budget_snt > 0):
        raise InvalidInputError(
            "An inference budget must be a positive number of SNT.", pointer="/budget_snt"
        )
    made = _Generation(estimate, budget_snt, estimate.demands.merge(constraints or Constraints()), solver)
    deadline = math.inf if time_limit_s is None else time.monotonic() + time_limit_s
    return made.solve(deadline)


class _Generation:
    """One run of column generation: the pool of groups, and what bounds those outside it."""

    def __init__(
        self, estimate: PairwiseEstimate, budget_snt: float, constraints: Constraints, solver: str
    ) -> None:
        self.estimate, self.budget_snt, self.solver = estimate, budget_snt, solver
        self._arrays = arrays = scaled_arrays(estimate, constraints)
        self.single_losses, self.single_costs = arrays.single_losses, arrays.single_costs
        self.search = GroupSearch(arrays.pairs, constraints.max_group_size)
        self._semidefinite: SemidefiniteSearch | None = None
        self.max_networks = math.inf if constraints.max_networks is None else float(constraints.max_networks)
        self.groups = np.zeros((0, len(estimate.tasks)), dtype=np.bool_)
        self._known: dict[bytes, int] = {}  # row of `groups` by its members
        self.bound = self.base = 0.0
        self.is_converged = False

    def solve(self, deadline: float) -> Solution:
        """Generate, bound, close the gap."""
        if self.search.n_tasks > MAX_PROVEN_TASKS:
            return self._solve_many(None if math.isinf(deadline) else deadline)
        left = deadline - time.monotonic()
        generate_by = deadline if math.isinf(left) else deadline - (1.0 - _GENERATING) * max(0.0, left)
        self._start()
        self.bound = bound_by_best_partners(
            self.search.least_losses(), self._arrays, self.estimate.group_cost_snt, self.budget_snt
        )
        relaxed = self._converge(generate_by)
        optimum = self._widened(relaxed, self._best_of_pool(deadline), deadline)
        is_proven = optimum.chosen is not None and optimum.is_proven and self.is_converged
        is_proven = is_proven and optimum.value - self.base <= PRECISION
        # With these duals a group of reduced cost r is in no grouping below `base + r`. No grouping is worse
        # than 1 for each task, so a higher bound says that there is none.
        most = self.search.n_tasks + 1.0
        tau = 0.02
        while self.is_converged and not is_proven and self.base < most and time.monotonic() < deadline:
            tau = min(tau, min(optimum.value, most) - self.base + PRECISION)
            is_closed = self._collect(relaxed, tau, deadline)
            optimum = self._best_of_pool(deadline)
            if not is_closed or not optimum.is_proven:
                break
            is_proven = min(optimum.value, most) - self.base <= tau
            tau *= 2.0
        return self._answer(optimum, is_proven or (self.is_converged and self.base >= most))

    def _solve_many(self, deadline: float | None) -> Solution:
        """Find a good grouping of hundreds of tasks, and a bound on all."""
        search, n = self.search, self.search.n_tasks
        best, cost, budget = search.least_losses(), self.estimate.group_cost_snt, most_within(self.budget_snt)
        self.bound = bound_by_shares(best, self._arrays, cost, self.single_costs, budget)
        if math.isfinite(self.max_networks):
            ones = np.ones(len(self.single_costs))
            counted = bound_by_shares(best, self._arrays, 1.0, ones, self.max_networks)
            self.bound = max(self.bound, counted)
        nobody = np.full(n, n + 1.0)
        most = int(min(most_within(budget / cost), self.max_networks, n))
        numbers = numbers_of_groups(most).tolist() if most >= 1 and search.max_size >= 2 else []
        for place, n_groups in enumerate(numbers):
            if place and is_past(deadline):
                break
            share = share_s(deadline, 2 * (len(numbers) - place))
            started = clusters(search, n_groups)
            self._add(started)
            self._add(moved(search, started, nobody, deadline_in(share)))
        optimum, generator = self._from(), np.random.default_rng(0)
        for n_round in range(_PERTURBED):
            if optimum.chosen is None or is_past(deadline):
                break
            groups, alone = self._chosen(optimum.chosen)
            started = without_some(groups, generator) if n_round else groups
            better = moved(search, started, alone, deadline)
            self._add(better)
            rows = {len(self.single_costs) + self._known[row.tobytes()] for row in better}
            singles = [row for row in optimum.chosen if row < len(self.single_costs)]
            optimum = self._from(optimum.chosen, (*singles, *sorted(rows)))
        if optimum.chosen is None:
            return self._answer(optimum, is_proven=self.bound > n + PRECISION)
        return self._answer(optimum, is_proven=optimum.value - self.bound <= 2.0 * PRECISION)

    def _from(self, *starts: tuple[int, ...]) -> Optimum:
        """Choose among the groups found by local search."""
        engine = ExactSearch(self._instance(), solver=self.solver)
        limits = engine.instance.limits_for(self.budget_snt)
        return engine.solve(limits, starts=[start for start in starts if start], max_nodes=0)

    def _chosen(self, chosen: tuple[int, ...]) -> tuple[BoolArray, FloatArray]:
        """Return the groups of a choice, ``[groups, N]``, and the losses of its singles, ``[N]``."""
        n_singles = len(self.single_costs)
        groups = self.groups[[row - n_singles for row in chosen if row >= n_singles]]
        singles = self.single_losses[[row for row in chosen if row < n_singles]]
        return groups, np.minimum(singles.min(axis=0, initial=np.inf), self.search.n_tasks + 1.0)

    def _start(self) -> None:
        """Start with all pairs, all tasks together, and changes of good pairs under typical losses."""
        n = self.search.n_tasks
        eye = np.eye(n, dtype=np.bool_)
        self._add(np.array([eye[i] | eye[j] for i in range(n) for j in range(i)]))
        self._add(np.ones((1, n), dtype=np.bool_))
        if not len(self.groups):
            return
        saved = self.search.values(self.groups, np.ones(n))
        seeds = self.groups[np.argsort(-saved, kind="stable")[: 2 * n]]
        for share in (0.3, 0.5, 0.7):
            self._add(self.search.improve(seeds, self.search.typical_losses(share), rounds=8))

    def _add(self, members: BoolArray) -> int:
        members = members[self.search.is_allowed(members)]
        new = [row for row in members if row.tobytes() not in self._known]
        self._known.update((row.tobytes(), len(self.groups) + n) for n, row in enumerate(new))
        if new:
            self.groups = np.concatenate([self.groups, np.array(new)])
        return len(new)

    def _instance(self) -> Instance:
        losses = np.vstack([self.single_losses, self.search.losses(self.groups)])
        n = len(losses)
        costs = np.concatenate([self.single_costs, np.full(len(self.groups), self.estimate.group_cost_snt)])
        return Instance(
            rows=np.arange(n),
            losses=BlockLosses.of(losses),
            costs=np.stack([costs, np.ones(n)], axis=1),
            limits=np.array([math.inf, self.max_networks]),
            is_forced=np.zeros(n, dtype=np.bool_),
        )

    def _converge(self, deadline: float) -> Relaxed:
        """Generate groups until none of negative reduced cost is left or time is up; return the duals.

        Where many optimal duals exist, each finds other groups and the value no longer moves. After some
        rounds groups are priced by the mean of past duals too, which end it once they bound almost as well.
        """
        centre: Relaxed | None = None
        rounds = 0
        relaxation = Relaxation(self._instance())
        while True:
            rounds += 1
            instance = self._instance()
            limits = instance.limits_for(self.budget_snt)
            relaxation.extend(instance)
            relaxed = relaxation.solve(limits)
            centre = relaxation.between(centre or relaxed, relaxed, limits)
            is_late = time.monotonic() > deadline
            overlooked = 0.0
            if not is_late and rounds > _PATIENCE:
                is_new, overlooked = self._add_near(centre)
                reached = centre.bound - self._most_groups(limits) * overlooked
                if relaxed.bound - reached <= _CENTRED * self.search.n_tasks:
                    relaxed = centre
                elif is_new:
                    continue
            if relaxed is not centre and not is_late and self._add_near(relaxed)[0]:
                continue
            is_new = self._prove(relaxed, limits, overlooked if relaxed is centre else 0.0, deadline)
            if is_late or not is_new or len(self.groups) > _POOL:
                return relaxed

    def _prove(self, relaxed: Relaxed, limits: FloatArray, known: float, deadline: float) -> bool:
        """Search all groups for what the duals overlooked beyond what is known; return whether any is new."""
        price = self._group_price(relaxed)
        threshold = price + known + PRECISION
        found = self._above(threshold, relaxed.values, 2_000, deadline, is_ladder=True)
        overlooked = max(0.0, found.bound - price) if found.values.size or not found.is_complete else known
        self.base = relaxed.bound - self._most_groups(limits) * overlooked
        self.bound = max(self.bound, self.base)
        is_new = self._add(found.members[:_PER_ROUND]) > 0
        self.is_converged = found.is_complete and not is_new
        return is_new

    def _above(
        self, threshold: float, duals: FloatArray, max_found: int, deadline: float, *, is_ladder: bool
    ) -> FoundGroups:
        """Find groups that save more, by the plain search as long as that is short."""
        if self._semidefinite is None:
            few = {"max_found": max_found, "max_states": _FEW_STATES}
            found = self.search.above(threshold, duals, **few, gives_up=True, deadline=deadline)
            if found.is_complete:
                return found
            self._semidefinite = SemidefiniteSearch(self.search)
        return self._semidefinite.above(
            threshold, duals, max_found=max_found, deadline=deadline, is_ladder=is_ladder
        )

    def _group_price(self, relaxed: Relaxed) -> float:
        return float(relaxed.prices @ np.array([self.estimate.group_cost_snt, 1.0]))

    def _add_near(self, relaxed: Relaxed) -> tuple[bool, float]:
        """Add groups of negative reduced cost that single changes of good groups reach.

        Returns:
            Whether there was a new one, and how far the reduced cost of the best is below zero.
        """
        if not len(self.groups):
            return False, 0.0
        price = self._group_price(relaxed)
        of_groups = relaxed.reduced_costs[len(self.single_costs) :]
        seeds = self.groups[np.argsort(of_groups, kind="stable")[:_SEEDS]]
        near = self.search.improve(seeds, relaxed.values)
        values = self.search.values(near, relaxed.values)
        wanted = np.flatnonzero(values > price + PRECISION)
        wanted = wanted[np.argsort(-values[wanted], kind="stable")[:_PER_ROUND]]
        overlooked = max(0.0, float(values.max(initial=price)) - price)
        return self._add(near[wanted]) > 0, overlooked

    def _widened(self, relaxed: Relaxed, optimum: Optimum, deadline: float) -> Optimum:
        """Find the best grouping with changes of promising groups in the pool, where no proof will come."""
        price, n_singles = self._group_price(relaxed), len(self.single_costs)
        while not self.is_converged and optimum.chosen is not None and time.monotonic() < deadline:
            values = self.search.values(self.groups, relaxed.values)
            used = [n - n_singles for n in optimum.chosen if n >= n_singles]
            seeds = np.union1d(np.argsort(-values, kind="stable")[:_SEEDS], np.array(used, dtype=np.int64))
            near = self.search.near(self.groups[seeds])
            saved = self.search.values(near, relaxed.values)
            wanted = np.flatnonzero(saved > price - (optimum.value - relaxed.bound))
            self._add(near[wanted[np.argsort(-saved[wanted], kind="stable")[: 2 * _PER_ROUND]]])
            before, optimum = optimum, self._best_of_pool(deadline)
            if optimum.value >= before.value - PRECISION:
                return before
        return optimum

    def _collect(self, relaxed: Relaxed, tau: float, deadline: float) -> bool:
        """Add every group of reduced cost up to `tau`; return False if too many, or if time is up."""
        threshold = self._group_price(relaxed) - tau - PRECISION
        found = self._above(threshold, relaxed.values, _POOL, deadline, is_ladder=False)
        self._add(found.members)
        return found.is_complete

    def _best_of_pool(self, deadline: float) -> Optimum:
        engine = ExactSearch(self._instance(), solver=self.solver)
        limit = None if math.isinf(deadline) else max(deadline, time.monotonic() + 1.0)
        return engine.solve(engine.instance.limits_for(self.budget_snt), deadline=limit)

    def _most_groups(self, limits: FloatArray) -> int:
        most = min(limits[0] / self.estimate.group_cost_snt, limits[1])
        return int(min(most_within(most), 1e6))

    def _answer(self, optimum: Optimum, is_proven: bool) -> Solution:
        estimate = self.estimate
        if optimum.chosen is None and not is_proven:
            raise SolverError(
                "No grouping was found within the time limit. Allow more time, or a larger budget."
            )
        if optimum.chosen is None:
            why = Infeasibility(
                f"No grouping of singles and groups fits {self.budget_snt:.12g} SNT under these constraints."
            )
            return Solution(self.budget_snt, SolutionStatus.INFEASIBLE, infeasibility=why, solver=self.solver)
        networks = [self._network(n) for n in optimum.chosen]
        losses = np.stack([self._losses(n) for n in optimum.chosen])
        grouping = estimate.grouping_of(networks, losses)
        loss = float(np.nanmin(losses, axis=0) @ estimate.weights)
        bound = (
            loss if is_proven else min(self.bound * self._arrays.unit + float(self._arrays.floor.sum()), loss)
        )
        status = SolutionStatus.OPTIMAL if is_proven else SolutionStatus.FEASIBLE
        return Solution(
            self.budget_snt, status, grouping, loss, bound, has_more_ties=True, solver=self.solver
        )

    def _network(self, n: int) -> Network:
        if n < len(self.single_costs):
            return self.estimate.singles[n][0]
        members = np.flatnonzero(self.groups[n - len(self.single_costs)])
        group = frozenset(self.estimate.tasks[t] for t in members)
        return Network(group, 1.0, self.estimate.group_cost_snt)

    def _losses(self, n: int) -> FloatArray:
        if n >= len(self.single_costs):
            return self.estimate.losses_of(self._network(n).group)
        return self.estimate.losses_of_single(n)
