"""Solve over all groups of 20 to 40 tasks without listing them, when losses are estimated from pairs.

Under a pairwise estimate (see `grouping.solver.groups`) a table of all groups has ``2^N`` rows. Only a few of
them matter: those whose reduced cost is small under the duals of the relaxation. So groups are generated.

1. The relaxation of `grouping.solver.relaxation` is solved over a pool of groups.
2. Groups of negative reduced cost under its duals join the pool: first those that single changes of known
   groups reach, then those of a search over all groups. When that search finds none, the relaxation is solved
   over all ``2^N`` groups, and its value is a lower bound on every grouping.
3. The best grouping of the pool bounds the optimum from above. A second search collects every group whose
   reduced cost is at most the gap; no other group is in a better grouping, so the best grouping of the pool
   is then optimal.

Stopped early, the duals still bound: with M the most that any group may save by the search's own bound and k
the most groups the budget allows, no grouping is better than
``sum v - price * budget + k min(0, price - M)``.
"""

from __future__ import annotations

import math
import time

import numpy as np
import pulp

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import BUDGET_TOLERANCE, Grouping, Infeasibility, Solution, SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.scores import FloatArray
from grouping.errors import InvalidInputError, SolverError
from grouping.solver.engine import Engine, Optimum
from grouping.solver.estimates import PairwiseEstimate
from grouping.solver.groups import GroupSearch
from grouping.solver.instance import BoolArray, Instance
from grouping.solver.programme import DEFAULT_SOLVER, make_solver
from grouping.solver.relaxation import PRECISION, Relaxation, Relaxed

_POOL = 30_000
_PER_ROUND = 400


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
        constraints: `apart`, `max_networks` and `max_group_size` are honoured here; others need a
            score table.
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
    made = _Generation(estimate, budget_snt, constraints or Constraints(), solver)
    deadline = math.inf if time_limit_s is None else time.monotonic() + time_limit_s
    return made.solve(deadline)


class _Generation:
    """One run: the pool of groups, and what bounds those outside it."""

    def __init__(
        self, estimate: PairwiseEstimate, budget_snt: float, constraints: Constraints, solver: str
    ) -> None:
        self.estimate, self.budget_snt, self.solver = estimate, budget_snt, solver
        _refuse_other(constraints)
        n = len(estimate.tasks)
        weighted = estimate.pairs * estimate.weights[:, None]
        column = {task: t for t, task in enumerate(estimate.tasks)}
        for names in constraints.apart:
            if unknown := names - set(column):
                raise InvalidInputError(
                    f"apart: there is no task {', '.join(sorted(unknown))}.", pointer="/apart"
                )
            together = [column[name] for name in names]
            weighted[np.ix_(together, together)] = np.nan
        weighted[np.isnan(weighted) | np.isnan(weighted.T)] = np.nan
        single_losses = np.full((len(estimate.singles), n), np.inf)
        for row, (network, loss) in enumerate(estimate.singles):
            t = column[next(iter(network.group))]
            single_losses[row, t] = loss * estimate.weights[t]
        known = np.where(np.eye(n, dtype=np.bool_), np.nan, weighted)
        least = np.fmin(
            np.where(np.isnan(known), np.inf, known).min(axis=1), single_losses.min(axis=0, initial=np.inf)
        )
        self.floor = np.where(np.isfinite(least), least, 0.0)
        shifted_pairs = np.where(np.isnan(known), np.inf, known - self.floor[:, None])
        shifted_singles = single_losses - self.floor
        finite = np.concatenate(
            [shifted_pairs[np.isfinite(shifted_pairs)], shifted_singles[np.isfinite(shifted_singles)]]
        )
        self.unit = float(finite.max(initial=0.0)) or 1.0
        self.search = GroupSearch(shifted_pairs / self.unit, constraints.max_group_size)
        self.single_losses = shifted_singles / self.unit
        self.single_costs = np.array([network.cost_snt for network, _ in estimate.singles])
        self.max_networks = math.inf if constraints.max_networks is None else float(constraints.max_networks)
        self.groups = np.zeros((0, n), dtype=np.bool_)
        self._known = set[bytes]()
        self.bound = 0.0
        self.is_converged = False

    def solve(self, deadline: float) -> Solution:
        """Generate, bound, close the gap."""
        self._start()
        self.bound = self._bound_by_favourites()
        relaxed = self._converge(deadline)
        optimum = self._best_of_pool(deadline)
        is_proven = optimum.chosen is not None and optimum.is_proven and self.is_converged
        is_proven = is_proven and optimum.value - self.bound <= PRECISION
        # With these duals a group of reduced cost r is in no grouping below `relaxed.bound + r`. No grouping
        # is worse than 1 for each task, so a higher bound says that there is none.
        most = self.search.n_tasks + 1.0
        tau = 0.02
        while self.is_converged and not is_proven and relaxed.bound < most and time.monotonic() < deadline:
            tau = min(tau, min(optimum.value, most) - relaxed.bound + PRECISION)
            is_closed = self._collect(relaxed, tau, deadline)
            optimum = self._best_of_pool(deadline)
            if not is_closed or not optimum.is_proven:
                break
            is_proven = min(optimum.value, most) - relaxed.bound <= tau
            tau *= 2.0
        return self._answer(optimum, is_proven or (self.is_converged and relaxed.bound >= most))

    def _start(self) -> None:
        """All pairs, all tasks together, and what changes of good pairs reach under typical losses."""
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

    def _bound_by_favourites(self) -> float:
        """A bound that needs no groups: in one of s tasks, none does better than with its s - 1 favourites.

        The relaxation chooses how many groups of each size there are and which tasks each size serves.
        """
        best = self.search.favourites()
        n, n_sizes = best.shape
        problem = pulp.LpProblem("favourites", pulp.LpMinimize)
        count = [problem.add_variable(f"n_{s}", 0) for s in range(n_sizes)]
        serves = {
            (i, s): problem.add_variable(f"a_{i}_{s}", 0) for i, s in np.argwhere(np.isfinite(best)).tolist()
        }
        alone = {
            (row, i): problem.add_variable(f"x_{row}", 0)
            for row, i in np.argwhere(np.isfinite(self.single_losses)).tolist()
        }
        problem += pulp.lpSum(float(best[key]) * a for key, a in serves.items()) + pulp.lpSum(
            float(self.single_losses[key]) * x for key, x in alone.items()
        )
        for i in range(n):
            servers = [a for (task, _), a in serves.items() if task == i]
            problem += pulp.lpSum([*servers, *(x for (_, task), x in alone.items() if task == i)]) >= 1
        for s in range(n_sizes):
            served = [a for (_, size), a in serves.items() if size == s]
            problem += pulp.lpSum(served) <= (s + 2) * count[s]
        for (_, s), a in serves.items():
            problem += a <= count[s]
        spent = pulp.lpSum(float(self.single_costs[row]) * x for (row, _), x in alone.items())
        budget = self.budget_snt + BUDGET_TOLERANCE * max(1.0, self.budget_snt)
        problem += spent + self.estimate.group_cost_snt * pulp.lpSum(count) <= budget
        problem.solve(make_solver(DEFAULT_SOLVER, None))
        if problem.status != pulp.LpStatusOptimal:
            return 0.0
        return max(0.0, float(pulp.value(problem.objective) or 0.0) - PRECISION)

    def _add(self, members: BoolArray) -> int:
        members = members[self.search.is_allowed(members)]
        new = [row for row in members if row.tobytes() not in self._known]
        self._known.update(row.tobytes() for row in new)
        if new:
            self.groups = np.concatenate([self.groups, np.array(new)])
        return len(new)

    def _instance(self) -> Instance:
        losses = np.vstack([self.single_losses, self.search.losses(self.groups)])
        n = len(losses)
        costs = np.concatenate([self.single_costs, np.full(len(self.groups), self.estimate.group_cost_snt)])
        return Instance(
            rows=np.arange(n),
            losses=losses,
            costs=np.stack([costs, np.ones(n)], axis=1),
            limits=np.array([math.inf, self.max_networks]),
            is_forced=np.zeros(n, dtype=np.bool_),
        )

    def _converge(self, deadline: float) -> Relaxed:
        """Generate groups until no group of negative reduced cost is left, or time is up."""
        while True:
            instance = self._instance()
            limits = instance.limits_for(self.budget_snt)
            relaxed = Relaxation(instance).solve(limits)
            price = self._group_price(relaxed)
            is_late = time.monotonic() > deadline
            if not is_late and self._add_near(relaxed, price):
                continue
            found = self.search.above(price + PRECISION, relaxed.values, max_found=2_000, deadline=deadline)
            overlooked = max(0.0, found.bound - price) if found.values.size or not found.is_complete else 0.0
            self.bound = max(self.bound, relaxed.bound - self._most_groups(limits) * overlooked)
            is_new = self._add(found.members[:_PER_ROUND]) > 0
            self.is_converged = found.is_complete and not is_new
            if is_late or not is_new:
                return relaxed
            if len(self.groups) > _POOL:
                return relaxed

    def _group_price(self, relaxed: Relaxed) -> float:
        return float(relaxed.prices @ np.array([self.estimate.group_cost_snt, 1.0]))

    def _add_near(self, relaxed: Relaxed, price: float) -> int:
        """Add groups of negative reduced cost that single changes of good groups reach."""
        if not len(self.groups):
            return 0
        of_groups = relaxed.reduced_costs[len(self.single_costs) :]
        seeds = self.groups[np.argsort(of_groups, kind="stable")[:60]]
        near = self.search.improve(seeds, relaxed.values)
        values = self.search.values(near, relaxed.values)
        wanted = np.flatnonzero(values > price + PRECISION)
        wanted = wanted[np.argsort(-values[wanted], kind="stable")[:_PER_ROUND]]
        return self._add(near[wanted])

    def _collect(self, relaxed: Relaxed, tau: float, deadline: float) -> bool:
        """Add every group of reduced cost up to `tau`; False if they are too many or time is up."""
        threshold = self._group_price(relaxed) - tau - PRECISION
        found = self.search.above(threshold, relaxed.values, max_found=_POOL, deadline=deadline)
        self._add(found.members)
        return found.is_complete

    def _best_of_pool(self, deadline: float) -> Optimum:
        engine = Engine(self._instance(), solver=self.solver)
        limit = None if math.isinf(deadline) else max(deadline, time.monotonic() + 1.0)
        return engine.solve(engine.instance.limits_for(self.budget_snt), deadline=limit)

    def _most_groups(self, limits: FloatArray) -> int:
        most = min(limits[0] / self.estimate.group_cost_snt, limits[1])
        return int(min(most + BUDGET_TOLERANCE, 1e6))

    def _answer(self, optimum: Optimum, is_proven: bool) -> Solution:
        estimate = self.estimate
        if optimum.chosen is None and not is_proven:
            raise SolverError("No grouping was found within the time limit. Allow more time.")
        if optimum.chosen is None:
            why = Infeasibility(
                f"No grouping of singles and groups fits {self.budget_snt:.12g} SNT under these constraints."
            )
            return Solution(self.budget_snt, SolutionStatus.INFEASIBLE, infeasibility=why, solver=self.solver)
        networks = [self._network(n) for n in optimum.chosen]
        losses = np.stack([self._losses(n) for n in optimum.chosen])
        kept = sorted(range(len(networks)), key=lambda n: networks[n].sort_key)
        serving = np.argmin(np.where(np.isnan(losses[kept]), np.inf, losses[kept]), axis=0)
        used = sorted(set(serving.tolist()))
        grouping = Grouping(
            estimate.tasks,
            tuple(networks[kept[n]] for n in used),
            tuple(used.index(int(n)) for n in serving),
        )
        loss = float(np.nanmin(losses, axis=0) @ estimate.weights)
        bound = loss if is_proven else min(self.bound * self.unit + float(self.floor.sum()), loss)
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
        losses = np.full(len(self.estimate.tasks), np.nan)
        network, loss = self.estimate.singles[n]
        losses[self.estimate.tasks.index(next(iter(network.group)))] = loss
        return losses


def _refuse_other(constraints: Constraints) -> None:
    honoured = {"apart", "max_networks", "max_group_size"}
    for part in constraints.split():
        if all(getattr(part, name) == getattr(Constraints(), name) for name in honoured):
            raise InvalidInputError(
                f"Groups that are not listed cannot be held to: {next(part.sentences())}. List the "
                "candidates in a score table to solve under it."
            )
