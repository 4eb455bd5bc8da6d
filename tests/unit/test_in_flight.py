"""Searches with several workers on a simulated clock: order, charges, and how long workers are idle."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Candidates
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.replay.in_flight import InFlight
from grouping.replay.oracle import Oracle
from grouping.replay.replaying import Mode, Setup, replay
from grouping.replay.searching import run_search
from grouping.search import Loop, Search
from grouping.strategies import get_strategy
from tests.searches import losses_of
from tests.tables import random_table

FIVE = random_table(4, n_tasks=5)


def simulated(
    strategy: str, n_workers: int, *, n_tasks: int, seed: int, most: int, planning: str
) -> InFlight:
    """A search with log-normal durations (the logarithm deviates by 0.5), whatever the network."""
    truth = random_table(seed, n_tasks=n_tasks)
    generator = np.random.default_rng(seed)
    search = Search(
        get_strategy(strategy, {"tolerance": 0} if strategy == "adaptive" else {}),
        truth.tasks,
        Candidates.listed(truth.task_names, truth.networks),
        budgets_snt=(2.0, 3.0),
        max_trainings=most,
        planning=planning,
        seed=seed,
    )
    running: list[TrialRequest] = []

    def begin(request: TrialRequest) -> float:
        running.append(request)
        assert len(running) <= n_workers
        return float(generator.lognormal(0.0, 0.5))

    def end(request: TrialRequest) -> None:
        running.remove(request)
        search.tell(request, losses_of(request, truth))

    found = InFlight(search, n_workers, begin, end)
    loop = Loop(search, found)
    while loop.advance():
        pass
    assert len(search.state.trials) == most
    return found


def test_one_worker_is_never_idle_and_its_clock_is_the_sum_of_the_durations() -> None:
    found = simulated("random", 1, n_tasks=4, seed=0, most=10, planning="steps")
    assert found.now_s == pytest.approx(found.busy_s)
    assert found.utilisation == pytest.approx(1.0)


def test_eight_workers_of_an_adaptive_search_are_busy_nine_tenths_of_the_time() -> None:
    ahead = simulated("adaptive", 8, n_tasks=6, seed=1, most=64, planning="continuous")
    assert ahead.utilisation >= 0.9
    assert ahead.now_s <= 1.15 * ahead.busy_s / 8


def test_in_steps_the_same_workers_wait_for_each_other() -> None:
    in_steps = simulated("adaptive", 8, n_tasks=4, seed=1, most=15, planning="steps")
    assert in_steps.utilisation < 0.5


def test_with_one_worker_planning_continuously_is_planning_in_steps() -> None:
    oracle, adaptive = Oracle.of(FIVE), get_strategy("adaptive")
    in_steps = run_search(oracle, adaptive, (1.0, 2.0))
    ahead = run_search(oracle, adaptive, (1.0, 2.0), n_workers=1)
    assert ahead == in_steps


def test_more_workers_spend_no_more_than_the_limit_and_are_charged_when_a_training_ends() -> None:
    (found,) = replay(
        FIVE,
        [get_strategy("adaptive", {"tolerance": 0})],
        Setup((2.0,), Mode.ALL, max_charge=9.5, n_workers=4),
    )
    assert found.total_charges.max() <= 9.5
    regret = found.validation_regret[0, 0]
    assert (np.diff(regret[np.isfinite(regret)]) <= 1e-12).all(), "what ends later is no worse to know"


def test_a_search_without_workers_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one worker"):
        Setup(n_workers=0)
