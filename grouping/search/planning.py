"""Planner: the next trials of a search, from strategy and confirmation, within the training budget.

A plan is a pure function of `SearchTerms`, `SearchState` and, where planning is continuous, the number of
trainings that could begin: it reads nothing else, and the same state gives the same plan. Whoever takes over
a search after a crash therefore goes on exactly where the last one stopped.
How much of the budget the search may use is decided in `grouping.domain.trainings.budgets`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.jobs.job import JobState, Stop, StopReason
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.networks import Network
from grouping.domain.scales import networks_first
from grouping.domain.trainings.allowance import Allowance, Prices
from grouping.domain.trainings.budgets import (
    SHARE_KEPT_BACK,
    ConfirmationNeed,
    ConfirmationRound,
    allowance_left,
    allowance_of_search,
    epoch_seconds,
    kept_for_tuning,
    rounds_kept_back,
)
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.domain.verdicts.headroom import Headroom
from grouping.search.evidence import SolvedOnce, evidence_of, priced
from grouping.solver import Recommendation, networks_to_confirm, recommend, tunings_of
from grouping.strategies import Evidence, Proposal, Strategy, plans_ahead
from grouping.strategies.sampling import cover

ALONE_FIRST = "Single-task networks come first: the losses of tasks are compared with those alone."
FORCED_FIRST = "Networks that the constraints name come first."
WORKERS_PER_LONG = 4
"""Workers of which one may train a baseline larger than a full-size network while the search goes on."""
TUNING = "Recipes are tuned for the recommended groupings and the baselines, each for itself."
STOPPED = "The search was stopped: what is trained by now decides."
BASELINES_MEANWHILE = "While workers are free, baselines are trained with fresh seeds."


@dataclass(frozen=True, slots=True)
class Plan:
    """The next trials of a search.

    Attributes:
        state: the state of the search while they are trained.
        requests: trials to train.
        reason: why the search ends, once it does; it is over when there is nothing left to train either.
        note: what the strategy says about this step; may be empty.
        reused: trials whose outcomes are copied from other searches.
        headroom: how much lower the loss may still get; empty where the strategy did not say so.
    """

    state: JobState
    requests: tuple[TrialRequest, ...]
    reason: StopReason | None = None
    note: str = ""
    reused: tuple[TrialRequest, ...] = ()
    headroom: tuple[Headroom, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to add until further trials are finished."""
        return self.reason is None and not self.requests and not self.reused


def networks_to_measure(terms: SearchTerms) -> tuple[Network, ...]:
    """Return networks whose inference cost is measured first: candidates and baselines.

    Where candidates are not listed, only single tasks are measured first; the others when they are first
    wanted.
    """
    candidates = terms.candidates
    first = candidates.singles if candidates.networks is None else candidates.networks
    wanted = {network.key: network for network in first}
    if terms.confirmation_seeds:
        for budget in terms.budgets_snt:
            for baseline in terms.baselines.of_cost(candidates.tasks, budget):
                for network in baseline.networks:
                    wanted.setdefault(network.key, network)
    return tuple(wanted.values())


class Planner:
    """Plans one step of a search, for one state of it; computes each part at most once.

    Args:
        terms: what the search is for.
        state: what is known.
        strategy: decides what to train.
        prices: says what a training costs in the training budget.
    """

    def __init__(self, terms: SearchTerms, state: SearchState, strategy: Strategy, prices: Prices) -> None:
        self._terms = terms.among(state.networks)
        self._state = state
        self._strategy = strategy
        self._prices = prices

    def next_plan(self, n_free: int = 0) -> Plan:
        """Return the trials to add.

        While trials of the search are planned or running there are further ones only if it is planned
        continuously and the strategy plans ahead. The confirmation begins when the last trial of the search
        is finished. Baselines, which are wanted whatever is chosen, are trained with fresh seeds before: by
        workers that would be idle, and, if larger than a full-size network, by a share of all workers.

        Args:
            n_free: trainings that could begin at once; without effect where the search is planned in steps.
        """
        if self._state.running and self.phase is JobState.CONFIRMING:
            return Plan(JobState.CONFIRMING, ())
        if self._state.stop is not None:
            return self._plan_stopped(self._state.stop)
        if self._is_searching and (not self._may_plan_ahead or self._awaits_alone):
            return self._plan_meanwhile(n_free)
        n_long = self._n_long(n_free)
        proposal, fitting = self._search_step(n_free - n_long)
        if fitting:
            early = self._meanwhile(max(n_long, n_free - len(fitting)))
            return self._split(JobState.RUNNING, (*early, *fitting), proposal, None)
        if self._is_searching:
            return self._plan_meanwhile(n_free)
        wanted = self._confirmation()
        note = proposal.note
        if not wanted:
            wanted, note = self._tuning(), TUNING if self._terms.tuning else note
        fitting = self._left.first_fitting(wanted, self._prices, is_free=self._state.is_free)
        if self._state.running and not fitting:
            return Plan(JobState.CONFIRMING, ())
        is_cut = bool(proposal.requests) or len(fitting) < len(wanted)
        reason = StopReason.TRAINING_BUDGET_SPENT if is_cut else proposal.reason
        fitting = self._in_order(fitting)
        reason = reason or StopReason.SEARCH_COMPLETE
        return self._split(JobState.CONFIRMING, fitting, replace(proposal, note=note), reason)

    def _plan_stopped(self, stop: Stop) -> Plan:
        """Return what is trained after a user stopped the search: only what confirms, if that is wanted."""
        if self._is_searching and stop is Stop.SEARCH:
            return Plan(JobState.RUNNING, ())
        is_any = any(found.solution.grouping is not None for found in self._recommendations)
        wanted = self._confirmation() if stop is Stop.SEARCH and is_any else ()
        fitting = self._left.first_fitting(wanted, self._prices, is_free=self._state.is_free)
        if self._state.running and not fitting:
            return Plan(JobState.CONFIRMING, ())
        proposal = Proposal((), note=STOPPED)
        return self._split(JobState.CONFIRMING, self._in_order(fitting), proposal, StopReason.STOPPED_BY_USER)

    @property
    def phase(self) -> JobState:
        """State of the search by its trials: running or confirming."""
        is_confirming = self._has_confirmation_begun and not self._is_searching
        return JobState.CONFIRMING if is_confirming else JobState.RUNNING

    def evidence(self, remaining: int | None, n_free: int = 0) -> Evidence:
        """Build the evidence that the strategy is given.

        Args:
            remaining: trainings that it may still ask for; None where nothing limits their number.
            n_free: trainings that could begin at once.
        """
        return evidence_of(self._terms, self._state, remaining, n_free)

    @property
    def remaining(self) -> int | None:
        """Trainings that the search may still use; None without a limit."""
        if self._is_unlimited or self._has_search_ended:
            return self._left.whole_trainings
        remaining = self._beside.whole_trainings
        # With nothing to confirm, nothing is worth being kept back.
        return remaining if remaining or self._is_covered else self._left.whole_trainings

    @cached_property
    def one_round(self) -> ConfirmationRound:
        """Trainings that the confirmation still needs with each fresh seed.

        These are the networks of the present recommendations and their baselines; an upper bound, until
        there is a recommendation for every inference budget.
        """
        n_seeds = len(self._terms.confirmation_seeds)
        if not n_seeds:
            return ConfirmationRound(0, 0)
        if not self._is_covered:
            return ConfirmationNeed.of(self._terms).most_in_a_round(self._terms, self._prices)
        trained = [request for request in self._confirmation() if not self._state.is_free(request)]
        return ConfirmationRound.of(trained, self._prices, n_seeds)

    # --- the search

    def _search_step(self, n_free: int) -> tuple[Proposal, tuple[TrialRequest, ...]]:
        """Return what the strategy wants, and the part of it that fits the budget beside confirmation."""
        proposal = self._alone_first() or self._strategy.ask(
            self.evidence(self.remaining, n_free), SolvedOnce(self._terms.constraints)
        )
        if self._is_unlimited:
            return proposal, proposal.requests
        if self._has_search_ended:
            return proposal, ()
        is_free = self._state.is_free
        fitting = self._beside.first_fitting(proposal.requests, self._prices, is_free=is_free)
        if not fitting and not self._is_covered and not self._state.running:
            # With nothing to confirm, nothing is worth being kept back: but only as much as it takes.
            first = proposal.requests[:1]
            fitting = self._left.first_fitting(first, self._prices, is_free=is_free)
        return proposal, fitting

    def _alone_first(self) -> Proposal | None:
        """Return the trainings that give scales and demands their numbers; None if none is left."""
        known = {trial.key for trial in self._state.trials}
        requests = tuple(
            request
            for seed in self._terms.search_seeds
            for network in self._buildable(networks_first(self._state.tasks, self._terms.constraints))
            if (request := TrialRequest(network, seed)).key not in known
        )
        is_alone = all(len(request.network.group) == 1 for request in requests)
        return Proposal(requests, note=ALONE_FIRST if is_alone else FORCED_FIRST) if requests else None

    @property
    def _awaits_alone(self) -> bool:
        """Whether all trainings for scales and demands are planned, and one of them is not over."""
        first = {network.key for network in networks_first(self._state.tasks, self._terms.constraints)}
        search = (trial for trial in self._state.running if trial.purpose is Purpose.SEARCH)
        return self._alone_first() is None and any(
            trial.network.key in first and trial.seed in self._terms.search_seeds for trial in search
        )

    @property
    def _may_plan_ahead(self) -> bool:
        """Whether the search may go on while trials are running."""
        return self._terms.plans_continuously and plans_ahead(self._strategy)

    @cached_property
    def _is_searching(self) -> bool:
        """Whether trials of the search are planned or running."""
        return any(trial.purpose is Purpose.SEARCH for trial in self._state.running)

    @property
    def _is_unlimited(self) -> bool:
        return self._terms.training_budget == Allowance()

    @cached_property
    def _left(self) -> Allowance:
        return allowance_left(self._terms.training_budget, self._state, self._prices)

    @cached_property
    def _beside(self) -> Allowance:
        """Budget that the search may use, beside the confirmation."""
        epoch_s = epoch_seconds(self._state.spent)
        beside = allowance_of_search(self._terms, self._left, self.one_round, epoch_s)
        kept = kept_for_tuning(self._terms, self._prices)
        return beside.less(
            trainings=kept.networks,
            epochs=kept.epochs,
            equivalents=kept.equivalents,
            seconds=kept.epochs * epoch_s if kept.epochs * epoch_s <= self._half_of_seconds else 0.0,
        )

    @property
    def _half_of_seconds(self) -> float:
        return SHARE_KEPT_BACK * (self._terms.training_budget.seconds or 0.0)

    @cached_property
    def _has_search_ended(self) -> bool:
        """Whether the search has ended; under a budget it ends for good."""
        is_skipped = any(trial.state is TrialState.SKIPPED for trial in self._state.trials)
        return self._has_confirmation_begun or is_skipped

    # --- the confirmation

    @cached_property
    def _recommendations(self) -> tuple[Recommendation, ...]:
        terms = self._terms
        return recommend(self._state.full, None, terms.budgets_snt, constraints=terms.constraints)

    @cached_property
    def _is_covered(self) -> bool:
        """Whether a grouping is known for every inference budget."""
        return all(found.solution.grouping is not None for found in self._recommendations)

    def _confirmation(self) -> tuple[TrialRequest, ...]:
        """Return what is still to be trained with fresh seeds."""
        if not self._terms.confirmation_seeds:
            return ()
        known = {trial.key for trial in self._state.trials}
        candidates = self._terms.candidates
        wanted = (
            TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
            for seed in self._terms.confirmation_seeds
            for network in self._buildable(
                networks_to_confirm(self._recommendations, candidates.tasks, self._terms.baselines)
            )
        )
        return tuple(request for request in wanted if request.key not in known)

    def _tuning(self) -> tuple[TrialRequest, ...]:
        """Return what the next rounds of the tuning train, or its fresh seeds; nothing without a tuning."""
        tunings = tunings_of(self._terms, self._state, self._recommendations)
        wanted = {request.key: request for tuning in tunings for request in tuning.missing}
        return tuple(wanted.values())

    @cached_property
    def _certain(self) -> tuple[TrialRequest, ...]:
        """Trainings of the confirmation that may begin during the search, longest first.

        They are those of the baselines, but for the shortest. It is left to the confirmation proper, so that
        the trials alone say whether that has begun. There are none where the training budget might not hold
        the whole confirmation: then the chosen networks come first.
        """
        terms = self._terms
        if not terms.plans_continuously or terms.training_budget.seconds is not None:
            return ()
        need = ConfirmationNeed.of(terms)
        most = need.most_in_a_round(terms, self._prices)
        if rounds_kept_back(terms, most) < len(terms.confirmation_seeds):
            return ()
        requests = (
            TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
            for seed in terms.confirmation_seeds
            for network in self._buildable(need.baselines)
        )
        return self._in_order(requests)[:-1]

    def _meanwhile(self, n_free: int) -> tuple[TrialRequest, ...]:
        """Return what idle workers train of the confirmation while the search goes on."""
        if n_free <= 0 or not self._certain or not self._will_be_covered:
            return ()
        known = {trial.key for trial in self._state.trials}
        is_free = self._state.is_free
        wanted = (one for one in self._certain if one.key not in known and not is_free(one))
        return tuple(itertools.islice(wanted, n_free))

    @property
    def _will_be_covered(self) -> bool:
        """Whether a grouping for every inference budget is known or expected; else none is confirmed.

        It is expected where nothing limits the search, and a few candidates that serve all tasks are cheap
        enough.
        """
        if self._is_covered:
            return True
        if not self._is_unlimited or self._terms.constraints != Constraints():
            return False
        few = cover(priced(self._terms.candidates, self._state))
        serves_all = {task for network in few for task in network.group} == set(self._terms.candidates.tasks)
        return serves_all and fits(sum(network.cost_snt for network in few), min(self._terms.budgets_snt))

    def _n_long(self, n_free: int) -> int:
        """Return how many of the free workers begin a baseline larger than a full-size network.

        Begun after the search, such trainings would go on alone after all others.
        """
        running = self._state.running
        most = (len(running) + n_free) // WORKERS_PER_LONG
        is_long = [t for t in running if t.purpose is Purpose.CONFIRMATION and t.network.size > 1]
        n_new = max(0, min(most - len(is_long), n_free))
        return sum(request.network.size > 1 for request in self._meanwhile(n_new))

    def _plan_meanwhile(self, n_free: int) -> Plan:
        requests = self._meanwhile(n_free)
        return Plan(JobState.RUNNING, requests, note=BASELINES_MEANWHILE if requests else "")

    @cached_property
    def _has_confirmation_begun(self) -> bool:
        """Whether the search was over once: the confirmation has a trial beyond the certain ones."""
        certain = {request.key for request in self._certain}
        return any(
            trial.purpose is Purpose.CONFIRMATION and trial.key not in certain for trial in self._state.trials
        )

    def _in_order(self, requests: Iterable[TrialRequest]) -> tuple[TrialRequest, ...]:
        """Return trainings of the confirmation in the order in which they begin.

        Where each begins when a worker is free, the longest come first, so that none is left alone at the
        end. Where seconds may run out, one seed after another, so that whole rounds are finished.
        """
        if not self._terms.plans_continuously or self._terms.training_budget.seconds is not None:
            return tuple(requests)
        return tuple(sorted(requests, key=self._prices.equivalents, reverse=True))

    def _buildable(self, networks: Iterable[Network]) -> list[Network]:
        """Return networks at their measured costs, without those that cannot be built."""
        measured = self._state.measured
        if measured is None:
            return list(networks)
        return [measured[network.key] for network in networks if network.key in measured]

    def _split(
        self,
        state: JobState,
        fitting: Sequence[TrialRequest],
        proposal: Proposal,
        reason: StopReason | None,
    ) -> Plan:
        is_free = self._state.is_free
        reused = tuple(request for request in fitting if is_free(request))
        requests = tuple(request for request in fitting if not is_free(request))
        return Plan(state, requests, reason, proposal.note, reused, proposal.headroom)
