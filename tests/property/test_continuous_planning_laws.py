"""Laws of a search that is planned while others of its trainings are running, on a simulated clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Candidates
from grouping.domain.trainings.trials import Purpose, Trial, TrialKey, TrialRequest
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.replay.in_flight import InFlight, drawn_durations
from grouping.search import Loop, Search
from grouping.solver import networks_to_confirm
from grouping.strategies import Choose, Evidence, Proposal, get_strategy, plans_ahead
from tests.effort import examples
from tests.searches import losses_of
from tests.tables import random_table

TRUTH = random_table(3, n_tasks=4, n_seeds=2)
SPACE = Candidates.listed(TRUTH.task_names, TRUTH.networks)
AHEAD: Mapping[str, Mapping[str, Any]] = {"adaptive": {"tolerance": 0.02}, "random": {}, "exhaustive": {}}
IN_STAGES = ("hoa", "surrogate", "spectral")
BUDGETS = (1.0, 2.0)
BASELINES = {
    network.key: network
    for budget in BUDGETS
    for baseline in BOTH_BASELINES.of_cost(TRUTH.task_names, budget)
    for network in baseline.networks
}


class Watched:
    """A search with some workers, watched whenever a training ends."""

    def __init__(self, strategy: str, n_workers: int, seed: int = 0, **terms: Any) -> None:
        self.most: int | None = terms.get("max_trainings")
        self.search = Search(
            get_strategy(strategy, AHEAD.get(strategy, {})),
            TRUTH.tasks,
            SPACE,
            budgets_snt=BUDGETS,
            seeds=TRUTH.seeds,
            **terms,
        )
        self.n_workers = n_workers
        self.told: list[TrialKey] = []
        self.n_early = 0
        self.in_flight = InFlight(self.search, n_workers, drawn_durations(seed), self.tell)
        loop = Loop(self.search, self.in_flight)
        while loop.advance():
            assert len(self.told) < 500, "the search does not end"

    def tell(self, request: TrialRequest) -> None:
        trials = self.search.state.trials
        assert self.most is None or len(trials) <= self.most
        running = self.search.state.running
        if any(trial.purpose is Purpose.SEARCH for trial in running):
            early = {t.network.key for t in trials if t.purpose is Purpose.CONFIRMATION}
            assert early <= set(BASELINES), "what depends on the choice waits for it"
            self.n_early = sum(t.purpose is Purpose.CONFIRMATION for t in trials)
            self.check_idleness(trials)
        is_fresh = request.purpose is Purpose.CONFIRMATION
        losses = dict.fromkeys(request.network.group, 0.5) if is_fresh else losses_of(request, TRUTH)
        self.search.tell(request, losses)
        self.told.append(request.key)

    def check_idleness(self, trials: Sequence[Trial]) -> None:
        """While the search goes on, no worker is idle for which a training of a baseline is left."""
        n_idle = self.n_workers - len(self.search.state.running)
        seeds = self.search.terms.confirmation_seeds if self.search.plans_continuously else ()
        n_left = len(BASELINES) * len(seeds) - sum(t.purpose is Purpose.CONFIRMATION for t in trials)
        assert n_idle <= 0 or n_left <= 1 or self.most is not None


@settings(max_examples=examples(25))
@given(
    strategy=st.sampled_from([*AHEAD, *IN_STAGES]),
    n_workers=st.integers(1, 9),
    most=st.none() | st.integers(4, 60) | st.integers(70, 110),
    fresh=st.sampled_from([(), (7, 8)]),
    seed=st.integers(0, 99),
)
def test_a_search_ends_within_its_budget_trains_nothing_twice_and_confirms_last(
    strategy: str, n_workers: int, most: int | None, fresh: tuple[int, ...], seed: int
) -> None:
    found = Watched(
        strategy, n_workers, seed, planning="continuous", max_trainings=most, confirmation_seeds=fresh
    )
    assert found.search.stop_reason is not None
    assert len(set(found.told)) == len(found.told)
    ends_s = {key: n for n, key in enumerate(found.told)}
    chosen = [
        key for key in found.told if key.purpose is Purpose.CONFIRMATION and key.network not in BASELINES
    ]
    of_search = [key for key in found.told if key.purpose is Purpose.SEARCH]
    assert all(ends_s[key] > ends_s[of_search[-1]] for key in chosen)
    if most is None or found.n_early:
        wanted = networks_to_confirm(found.search.recommendations(), TRUTH.task_names)
        confirmed = {(key.network, key.seed) for key in found.told if key.purpose is Purpose.CONFIRMATION}
        assert confirmed == {(network.key, seed) for network in wanted for seed in fresh}


@pytest.mark.parametrize("strategy", [*IN_STAGES, "exhaustive", "random"])
@pytest.mark.parametrize("n_workers", [1, 5])
def test_where_planning_ahead_changes_nothing_the_same_is_trained_as_in_steps(
    strategy: str, n_workers: int
) -> None:
    ahead = Watched(strategy, n_workers, planning="continuous")
    in_steps = Watched(strategy, n_workers, planning="steps")
    assert set(ahead.told) == set(in_steps.told)


def test_in_steps_the_number_of_workers_changes_nothing() -> None:
    assert {frozenset(Watched("adaptive", n, planning="steps").told) for n in (1, 3, 8)} == {
        frozenset(Watched("adaptive", 2, planning="steps").told)
    }


def test_the_same_durations_give_the_same_search() -> None:
    first, again = (Watched("adaptive", 4, planning="continuous").told for _ in range(2))
    assert first == again


def test_idle_workers_train_baselines_before_the_search_is_over() -> None:
    fresh = (7, 8)
    many = Watched("hoa", 9, planning="continuous", confirmation_seeds=fresh)
    assert 0 < many.n_early < len(BASELINES) * len(fresh), "one is left to the confirmation proper"
    assert Watched("hoa", 9, planning="steps", confirmation_seeds=fresh).n_early == 0
    scarce = Watched("hoa", 9, planning="continuous", confirmation_seeds=fresh, max_trainings=40)
    assert scarce.n_early == 0, "the budget might not hold the whole confirmation"


def test_the_longest_trainings_of_the_confirmation_begin_first() -> None:
    found = Watched("exhaustive", 1, planning="continuous", confirmation_seeds=(7, 8))
    sizes = [key.network.size for key in found.told if key.purpose is Purpose.CONFIRMATION]
    assert len(set(sizes)) > 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("n_free", "n_large"), [(3, 0), (4, 1), (8, 2)])
def test_a_quarter_of_the_workers_train_large_baselines_while_others_search(
    n_free: int, n_large: int
) -> None:
    search = Search(
        get_strategy("exhaustive"),
        TRUTH.tasks,
        SPACE,
        budgets_snt=BUDGETS,
        seeds=TRUTH.seeds,
        confirmation_seeds=(7, 8, 9),
        planning="continuous",
    )
    asked = search.ask(n_free)
    assert sum(request.network.size > 1 for request in asked) == n_large
    assert sum(request.purpose is Purpose.SEARCH for request in asked) == n_free - n_large


class Asked:
    """A strategy that notes with which evidence it is asked."""

    def __init__(self, name: str) -> None:
        self.own = get_strategy(name, AHEAD.get(name, {}))
        self.plans_ahead = plans_ahead(self.own)
        self.seen: list[tuple[int, frozenset[TrialKey]]] = []

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        self.seen.append((len(evidence.attempted), evidence.running))
        return self.own.ask(evidence, choose)


def asked(strategy: str, n_workers: int, seed: int) -> list[tuple[int, frozenset[TrialKey]]]:
    """Number of finished trials, and the running ones, whenever a strategy was asked."""
    watched: Any = Asked(strategy)
    search = Search(
        watched, TRUTH.tasks, SPACE, budgets_snt=BUDGETS, seeds=TRUTH.seeds, planning="continuous"
    )
    in_flight = InFlight(
        search, n_workers, drawn_durations(seed), lambda r: search.tell(r, losses_of(r, TRUTH))
    )
    loop = Loop(search, in_flight)
    while loop.advance():
        pass
    return list(watched.seen)


@settings(max_examples=examples(10))
@given(strategy=st.sampled_from([*AHEAD, *IN_STAGES]), n_workers=st.integers(1, 8), seed=st.integers(0, 99))
def test_no_strategy_is_asked_twice_with_the_same_evidence(strategy: str, n_workers: int, seed: int) -> None:
    seen = asked(strategy, n_workers, seed)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("strategy", IN_STAGES)
def test_a_strategy_that_does_not_plan_ahead_is_asked_only_when_nothing_is_running(strategy: str) -> None:
    assert {running for _, running in asked(strategy, 3, 0)} == {frozenset()}
