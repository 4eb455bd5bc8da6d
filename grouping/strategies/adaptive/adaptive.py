"""Adaptive search: a model of the losses, and the solver in the loop.

Start with the network of all tasks and with the single tasks where they are cheaper than a full-size network.
Then, until nothing is expected to improve the recommendation any more or the training budget is spent:

1. Fit `grouping.strategies.adaptive.loss_model` to what is measured and draw complete tables from its
   posterior, the measured losses unchanged (Thompson, 1933: act on a draw as if it were true).
2. Let the exact solver choose the networks of every draw for every inference budget.
3. Value each network that is not measured by what its training is expected to bring, relative to the best
   grouping of measured networks: half by what it can improve alone, exchanged for one chosen network or added
   (expected improvement; Jones, Schonlau and Welch, 1998), half by its share in the improvement of the draws'
   optima, of which it may be one of several networks that pay off only together.
4. Train the most valuable ones per square root of their cost.

What is still in training is taken to come out as the model expects, so that nothing is trained for what a
running training will tell (the kriging believer of Ginsbourger, Le Riche and Carraro, "Kriging is well-suited
to parallelize optimization", 2010). Where planning is continuous and several workers are free, networks are
chosen one after another, each as if those before were in training; with more than `FEW_TASKS` tasks, for
which that would take too long, the most valuable ones at once.

With `MANY_TASKS` tasks and more, the model is `grouping.strategies.adaptive.effect_model`, which is linear in
the partners. Candidates that are too many to list are then not drawn by lot: they are the groups of good
groupings under draws of the model, found without any list, and their neighbours. Half of a step is taken from
these groupings as they are, draw by draw, so that the networks of one step tell different things.

Lower inference budgets than those asked for count a little too: a grouping that fits them fits the larger
ones, and large groups tell most per training. Nothing is ever recommended that was not measured, so a wrong
model costs trainings and never passes for a score.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.verdicts.headroom import may_be_missed
from grouping.parameters import Field
from grouping.strategies.adaptive.candidate_pool import pool_networks
from grouping.strategies.adaptive.drawn_optima import FEW_TASKS, optima_of_draws
from grouping.strategies.adaptive.effect_model import PredictedPool, fit_effects
from grouping.strategies.adaptive.expected_improvement import improvement_alone, improvement_together
from grouping.strategies.adaptive.generated_pool import Generated, generated_networks
from grouping.strategies.adaptive.loss_covariance import Pool
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.adaptive.missed import Missed, find_missed, is_due
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.sampling import cover

ALONE_SHARE = 0.5
"""Share of the value of a network that is what it can improve alone."""
LOWER_BUDGETS = 0.5
"""Weight of all lower inference budgets together, the budgets asked for counting 1."""
MANY_TASKS = 31
"""From as many tasks on each task has a model of its own: `grouping.strategies.adaptive.effect_model`."""
DRAWN_SHARE = 0.5
"""Share of a step that is networks of good groupings under draws, where candidates come from those."""
N_DRAWS = 48
N_DRAWS_OF_MANY = 6
N_ESTIMATE_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Trains what the solver would choose under a model of the losses not yet measured."""

    name: ClassVar[str] = "adaptive"
    title: ClassVar[str] = "Adaptive"
    description: ClassVar[str] = (
        "Models the losses of untrained networks, lets the solver choose under draws of the model, trains "
        "what is expected to improve the recommendation most, and stops when nothing is."
    )
    lists_candidates: ClassVar[bool] = False
    plans_ahead: ClassVar[bool] = True

    tolerance: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Stop when no further network is expected to improve the total loss by more than "
            "this share, on average over the inference budgets.",
        ),
    ] = 0.0001
    may_miss: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Go on, whatever single networks are expected to bring, until 20 more networks bring "
            "at most this share of the loss in 9 of 10 cases; 1 to stop by `tolerance` alone. Without effect "
            "with more than 30 tasks.",
        ),
    ] = 1.0
    batch: Annotated[
        int | None,
        Field(
            ge=1,
            le=10_000,
            description="Networks per step; if left out a fifth of the number of tasks, or more where more "
            "workers are free and planning is continuous, or where there are more than ten tasks and small "
            "networks are trained many at once.",
        ),
    ] = None

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request the most valuable networks that are not measured, or say why there are none."""
        first = evidence.request(first_networks(evidence))
        if first:
            return Proposal.of(first, "First a network of all tasks, and cheap ones of single tasks.")
        unfinished = evidence.request(evidence.full.networks)
        if unfinished:
            return Proposal.of(unfinished, "Trainings left out before.")
        state = _State.of(evidence)
        if state is None:
            return Proposal((), StopReason.SEARCH_COMPLETE, "Some task has no network that could be trained.")
        n_free = math.ceil(evidence.n_free / len(evidence.seeds))
        n_tasks = len(evidence.candidates.tasks)
        n_together = evidence.n_together if n_tasks > FEW_TASKS else 1
        size = self.batch or max(1, n_tasks // 5, n_free, n_together)
        chosen = self._most_valuable(state, size, choose)
        least = fixed_percent(self.tolerance, 2)
        note = f"No further training is expected to improve the total loss by {least}."
        if chosen:
            best, expected = next(iter(chosen.items()))
            name = state.pool.networks[best].name(evidence.candidates.tasks)
            note = f"Training {name} is expected to improve the total loss by {fixed_percent(expected, 2)}."
        missed = None
        if not chosen or evidence.remaining == 0 or is_due(int(state.is_measured.sum()), size):
            missed = state.missed(choose)
        if not chosen and missed is not None and may_be_missed(missed.headroom) > self.may_miss:
            chosen = dict.fromkeys(missed.wanted[:size], 0.0)
            note = f"Further networks may bring more than {fixed_percent(self.may_miss, 2)}."
        drawn = state.drawn_rows(round(DRAWN_SHARE * size)) if chosen else []
        rows = list(dict.fromkeys((*drawn, *chosen)))[:size]
        requests = evidence.request(state.pool.networks[n] for n in rows)
        reason = None if requests else StopReason.CONVERGED
        return Proposal(requests, reason, note, () if missed is None else missed.headroom)

    def _most_valuable(self, state: _State, size: int, choose: Choose) -> dict[int, float]:
        """Choose rows to train, the most valuable first, with the improvement expected of each.

        Args:
            state: the state of this step.
            size: networks at most.
            choose: the solver.
        """
        found: dict[int, float] = {}
        n_at_once = 1 if state.is_joint else size
        while len(found) < size:
            values, expected = state.as_expected().values(choose)
            order = np.argsort(-values, kind="stable")[:n_at_once].tolist()
            new = {n: float(expected[n]) for n in order if values[n] > 0 and expected[n] >= self.tolerance}
            found |= new
            if not new or not state.is_joint:
                break
            state = state.with_pending(list(new))
        return found

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return posterior means and standard deviations; of measured losses, means and standard errors."""
        state = _State.of(evidence)
        if state is None:
            return LossEstimate.of_measured(evidence.full)
        draws = state.model.draw(N_ESTIMATE_DRAWS, np.random.default_rng(evidence.seed))
        means = np.where(state.is_measured[:, None], state.losses, state.model.mean())
        deviations = np.where(state.is_measured[:, None], state.errors, draws.std(axis=0))
        table = PredictedLosses(evidence.full.tasks, state.pool.networks, means)
        return LossEstimate(table, deviations, state.is_measured)


def first_networks(evidence: Evidence) -> tuple[Network, ...]:
    """Return all tasks in as few networks as allowed, cheap single tasks, and what replaces diverged ones."""
    candidates, diverged = evidence.candidates, evidence.diverged
    cheap = [n for n in candidates.singles if n.cost_snt < 1]
    first = [*cover(candidates), *cheap]
    served = {task for n in first if n.key not in diverged for task in n.group}
    for network in candidates.singles:
        if not network.group <= served:
            first.append(network)
            if network.key not in diverged:
                served |= network.group
    for task in candidates.tasks:  # that cannot be trained alone: with another one, whichever works
        if task in served:
            continue
        pairs = (candidates.find((task, other)) for other in candidates.tasks if other != task)
        for pair in pairs:
            if pair is None:
                continue
            first.append(pair)
            if pair.key not in diverged:
                served |= pair.group
                break
    return tuple(dict.fromkeys(first))


def _with_running(
    networks: tuple[Network, ...], running: Collection[NetworkKey], candidates: Candidates
) -> tuple[Network, ...]:
    """Return the networks with those that are running, in a reproducible order."""
    missing = set(running) - {network.key for network in networks}
    found = [candidates.find(*key) for key in missing]
    more = sorted((network for network in found if network is not None), key=lambda n: n.sort_key)
    return (*networks, *more)


@dataclass(frozen=True, eq=False)
class _State:
    """The model and the candidates in one step of the search.

    Attributes:
        evidence: what is known.
        pool: the candidates that are considered, the measured ones among them.
        losses: ``[N, T]`` measured losses.
        errors: ``[N, T]`` their standard errors.
        is_measured: ``[N]``, whether a network was measured.
        is_pending: ``[N]``, whether a training of it in full is running or chosen in this step.
        model: the posterior.
        generator: source of randomness of this step.
        groupings: rows of good groupings under draws of the model, where candidates are generated from them.
    """

    evidence: Evidence
    pool: Pool
    losses: FloatArray
    errors: FloatArray
    is_measured: NDArray[np.bool_]
    is_pending: NDArray[np.bool_]
    model: LossModel | PredictedPool
    generator: np.random.Generator
    groupings: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, evidence: Evidence) -> _State | None:
        """Fit the model; None if a task has no measured loss."""
        running = {key.network for key in evidence.running if key.fidelity == 1}
        ended = [n for n, network in enumerate(evidence.full.networks) if network.key not in running]
        full = (evidence.full.select(ended) if running else evidence.full).on_common_seeds()
        rows = np.flatnonzero(full.is_complete & full.membership.any(axis=1))
        # Nothing more than before where nothing runs, so that a search in steps draws what it always drew.
        state = [len(evidence.attempted), *([len(running)] if running else [])]
        generator = np.random.default_rng((evidence.seed, *state))
        if not full.membership[rows].any(axis=0).all():
            return None
        if len(evidence.candidates.tasks) >= MANY_TASKS:
            return cls._of_many(evidence, full.select(rows.tolist()), running, generator)
        measured = [full.networks[n] for n in rows]
        networks = pool_networks(evidence.candidates, full.select(rows.tolist()), generator)
        networks = _with_running(networks, running, evidence.candidates)
        pool = Pool.of(networks, full.task_names)
        losses, errors = np.full(pool.member.shape, np.nan), np.full(pool.member.shape, np.nan)
        place = {network.key: n for n, network in enumerate(networks)}
        at = [place[network.key] for network in measured]
        losses[at], errors[at] = full.validation[rows], full.validation_standard_error[rows]
        is_pending = np.array([network.key in running for network in networks], dtype=np.bool_)
        model = fit_model(pool, losses, errors, generator)
        is_measured = np.isfinite(losses).any(axis=1)
        return cls(evidence, pool, losses, errors, is_measured, is_pending, model, generator)

    @classmethod
    def _of_many(
        cls,
        evidence: Evidence,
        measured: ScoreTable,
        running: Collection[NetworkKey],
        generator: np.random.Generator,
    ) -> _State:
        """Fit the model for many tasks to what is measured, and generate candidates under draws of it."""
        candidates = evidence.candidates
        tasks = measured.task_names
        known = Pool.of(measured.networks, tasks)
        errors = measured.validation_standard_error
        model = fit_effects(known, measured.validation, errors, generator)
        pending = _with_running((), running, candidates)
        if pending:
            model = model.expecting(Pool.of(pending, tasks))
        drawn = model.draw(N_DRAWS_OF_MANY, generator)
        if candidates.networks is None:
            best = np.argsort(np.where(measured.membership, measured.validation, np.inf), axis=0)[0]
            made = generated_networks(
                candidates,
                model,
                (model.mean(), drawn),
                measured.weights,
                evidence.budgets_snt,
                [measured.networks[n] for n in np.unique(best).tolist()],
                generator,
            )
        else:
            made = Generated(candidates.networks, ())
        networks = tuple({n.key: n for n in (*measured.networks, *pending, *made.networks)}.values())
        place = {network.key: n for n, network in enumerate(networks)}
        pool = Pool.of(networks, tasks)
        losses, wrong = np.full(pool.member.shape, np.nan), np.full(pool.member.shape, np.nan)
        at = np.arange(len(measured.networks))
        losses[at], wrong[at] = measured.validation, errors
        is_pending = np.array([network.key in running for network in networks], dtype=np.bool_)
        is_measured = np.isfinite(losses).any(axis=1)
        predicted = PredictedPool(pool, model, drawn)
        groupings = tuple(tuple(place[n.key] for n in grouping) for grouping in made.groupings)
        return cls(evidence, pool, losses, wrong, is_measured, is_pending, predicted, generator, groupings)

    def missed(self, choose: Choose) -> Missed | None:
        """Estimate what may still be missed; None with `MANY_TASKS` and more, where no model says so."""
        if not isinstance(self.model, LossModel):
            return None
        evidence, networks = self.evidence, self.pool.networks
        losses = np.where(self.is_measured[:, None], self.losses, self.model.mean())
        table = PredictedLosses(evidence.full.tasks, networks, losses)
        diverged = evidence.diverged
        is_open = ~self.is_measured & np.array([n.key not in diverged for n in networks])
        generator = np.random.default_rng((evidence.seed, len(evidence.attempted), 1))
        budgets = evidence.budgets_snt
        return find_missed(self.model, table, self.losses, is_open, budgets, choose, generator)

    def drawn_rows(self, most: int) -> list[int]:
        """Return up to as many networks neither measured nor in training, of some groupings under draws."""
        diverged = self.evidence.diverged
        rows: list[int] = []
        is_known = self.is_measured | self.is_pending
        for g in self.generator.permutation(len(self.groupings)).tolist():
            if len(rows) >= most:
                break
            new = (n for n in self.groupings[g] if not is_known[n] and n not in rows)
            rows += [n for n in new if self.pool.networks[n].key not in diverged]
        return rows[:most]

    def as_expected(self) -> _State:
        """Return the state as if every running training had come out as the model expects."""
        if not self.is_pending.any():
            return self
        losses = np.where(self.is_pending[:, None], self.model.mean(), self.losses)
        model = self.model
        if isinstance(model, LossModel):
            model = fit_model(self.pool, losses, self.errors, self.generator)
        return replace(self, losses=losses, is_measured=self.is_measured | self.is_pending, model=model)

    @property
    def is_joint(self) -> bool:
        """Whether networks of a step are chosen one after another, each given those before."""
        return self._is_small and self.evidence.n_free > 0

    def with_pending(self, rows: Sequence[int]) -> _State:
        """Return the state with some further networks in training."""
        is_pending = self.is_pending.copy()
        is_pending[list(rows)] = True
        return replace(self, is_pending=is_pending)

    def values(self, choose: Choose) -> tuple[FloatArray, FloatArray]:
        """Return ``[N]`` values of training each network, and the expected improvement of the total loss."""
        tasks, networks = self.evidence.full.tasks, self.pool.networks
        budgets, importance = self._budgets()
        draws = self.model.draw(N_DRAWS if self._is_small else N_DRAWS_OF_MANY, self.generator)
        draws[:, self.is_measured] = self.losses[self.is_measured]
        table = PredictedLosses(tasks, networks, draws[0])
        weighted = np.where(self.pool.member > 0, draws * table.weights, np.inf)
        costs, measured = table.costs_snt, np.flatnonzero(self.is_measured)
        diverged = self.evidence.diverged
        hopeful = np.array([n.key not in diverged for n in networks])
        rows = np.flatnonzero(hopeful)
        optima = optima_of_draws(choose, table.select(rows.tolist()), draws[:, hopeful], budgets)
        expected = np.zeros(len(networks))
        (known,) = choose.in_draws(table.select(measured.tolist()), draws[:1, measured], budgets)
        for b, chosen_now in enumerate(known):
            kept = measured[list(chosen_now)].tolist()
            best = float(weighted[0, kept].min(axis=0).sum()) if kept else np.inf
            choices = [(d, tuple(rows[list(chosen)].tolist())) for d, at, chosen in optima if at == b]
            alone = improvement_alone(weighted, costs, kept, best, budgets[b])
            together = improvement_together(weighted, choices, best, self.is_measured)
            expected += importance[b] * (ALONE_SHARE * alone + (1 - ALONE_SHARE) * together)
        expected = np.where(self.is_measured | ~hopeful, 0.0, expected / importance.sum())
        return expected / np.sqrt([network.size for network in networks]), expected

    @property
    def _is_small(self) -> bool:
        return len(self.evidence.candidates.tasks) <= FEW_TASKS

    def _budgets(self) -> tuple[tuple[float, ...], FloatArray]:
        """Return inference budgets of this step with their weights: those asked for, and lower ones."""
        asked = self.evidence.budgets_snt
        step = 0.5 if any(network.cost_snt < 1 for network in self.pool.networks) else 1.0
        lower = [b for b in np.arange(1.0, max(asked), step).tolist() if b not in asked]
        budgets = np.array([*asked, *lower])
        weights = np.array(
            [1.0] * len(asked) + [LOWER_BUDGETS * len(asked) / max(len(lower), 1)] * len(lower)
        )
        if not self._is_small and len(budgets) > N_DRAWS_OF_MANY:
            some = self.generator.choice(
                len(budgets), N_DRAWS_OF_MANY, replace=False, p=weights / weights.sum()
            )
            budgets, weights = budgets[np.sort(some)], np.ones(len(some))
        return tuple(budgets.tolist()), weights
