"""Laws of a search that is planned while others of its trainings are running, on a simulated clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Candidates
from grouping.domain.trials import Purpose, TrialKey, TrialRequest
from grouping.replay.in_flight import InFlight, drawn_durations
from grouping.search import Loop, Search
from grouping.strategies import Choose, Evidence, Proposal, get_strategy, plans_ahead
from tests.searches import losses_of
from tests.tables import random_table

TRUTH = random_table(3, n_tasks=4, n_seeds=2)
SPACE = Candidates.listed(TRUTH.task_names, TRUTH.networks)
AHEAD: Mapping[str, Mapping[str, Any]] = {"adaptive": {"tolerance": 0.02}, "random": {}, "exhaustive": {}}
IN_STAGES = ("hoa", "surrogate", "spectral")


class Watched:
    """A search with some workers, watched whenever a training ends."""

    def __init__(self, strategy: str, n_workers: int, seed: int = 0, **terms: Any) -> None:
        self.most: int | None = terms.get("max_trainings")
        self.search = Search(
            get_strategy(strategy, AHEAD.get(strategy, {})),
            TRUTH.tasks,
            SPACE,
            budgets_snt=(1.0, 2.0),
            seeds=TRUTH.seeds,
            **terms,
        )
        self.n_workers = n_workers
        self.told: list[TrialKey] = []
        self.in_flight = InFlight(self.search, n_workers, drawn_durations(seed), self.tell)
        loop = Loop(self.search, self.in_flight)
        while loop.advance():
            assert len(self.told) < 500, "the search does not end"

    def tell(self, request: TrialRequest) -> None:
        trials = self.search.state.trials
        assert self.most is None or len(trials) <= self.most
        assert len({trial.purpose for trial in self.search.state.running}) == 1, (
            "the search waits for nothing"
        )
        is_fresh = request.purpose is Purpose.CONFIRMATION
        losses = dict.fromkeys(request.network.group, 0.5) if is_fresh else losses_of(request, TRUTH)
        self.search.tell(request, losses)
        self.told.append(request.key)


@settings(max_examples=25)
@given(
    strategy=st.sampled_from([*AHEAD, *IN_STAGES]),
    n_workers=st.integers(1, 9),
    most=st.none() | st.integers(4, 60),
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
    purposes = [key.purpose for key in found.told]
    assert purposes == sorted(purposes, key=[Purpose.SEARCH, Purpose.CONFIRMATION].index)
    if most is None:
        assert (Purpose.CONFIRMATION in purposes) is bool(fresh)


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
        watched, TRUTH.tasks, SPACE, budgets_snt=(1.0, 2.0), seeds=TRUTH.seeds, planning="continuous"
    )
    in_flight = InFlight(
        search, n_workers, drawn_durations(seed), lambda r: search.tell(r, losses_of(r, TRUTH))
    )
    loop = Loop(search, in_flight)
    while loop.advance():
        pass
    return list(watched.seen)


@settings(max_examples=10)
@given(strategy=st.sampled_from([*AHEAD, *IN_STAGES]), n_workers=st.integers(1, 8), seed=st.integers(0, 99))
def test_no_strategy_is_asked_twice_with_the_same_evidence(strategy: str, n_workers: int, seed: int) -> None:
    seen = asked(strategy, n_workers, seed)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("strategy", IN_STAGES)
def test_a_strategy_that_does_not_plan_ahead_is_asked_only_when_nothing_is_running(strategy: str) -> None:
    assert {running for _, running in asked(strategy, 3, 0)} == {frozenset()}
