"""One search shared by several workers that ask, train and tell."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.search import Search
from grouping.strategies import get_strategy
from tests.searches import losses_of
from tests.tables import random_table

TRUTH = random_table(3, n_tasks=4, n_seeds=2)
SPACE = Candidates.listed(TRUTH.task_names, TRUTH.networks)


def new_search(strategy: str = "exhaustive", planning: str = "continuous", **more: int) -> Search:
    return Search(
        get_strategy(strategy),
        TRUTH.tasks,
        SPACE,
        budgets_snt=(1.0, 2.0),
        seeds=TRUTH.seeds,
        planning=planning,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("planning", ["steps", "continuous"])
@pytest.mark.parametrize("strategy", ["adaptive", "hoa", "random"])
def test_workers_that_share_a_search_train_everything_once_and_end_together(
    strategy: str, planning: str
) -> None:
    search, told = new_search(strategy, planning), list[TrialRequest]()

    def work() -> None:
        while requests := search.ask(1, waits=True):
            (request,) = requests
            told.append(request)
            search.tell(request, losses_of(request, TRUTH))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work) for _ in range(6)]:
            done.result(120)
    assert search.stop_reason is not None
    assert len({request.key for request in told}) == len(told) == len(search.state.trials)


def test_what_one_was_given_is_given_to_no_other_until_it_is_given_back() -> None:
    search = new_search()
    first, second = search.ask(2), search.ask(3)
    assert (len(first), len(second)) == (2, 3)
    assert not {r.key for r in first} & {r.key for r in second}
    search.give_back(first[0])
    assert search.ask(1) == first[:1]
    assert {trial.key for trial in search.state.running} >= {r.key for r in (*first, *second)}


def test_nothing_to_do_for_now_is_not_the_end() -> None:
    search = new_search("all-together", "steps", max_trainings=9)
    given = search.ask(5)
    assert len(given) == len(TRUTH.seeds)
    assert search.ask(1) == ()
    assert search.stop_reason is None
    for request in given:
        search.tell(request, losses_of(request, TRUTH))
    assert search.ask(1) == ()
    assert search.stop_reason is StopReason.SEARCH_COMPLETE


def test_a_worker_that_waits_goes_on_when_another_gives_back_what_it_had() -> None:
    search = new_search("all-together", "steps")
    first, second = search.ask(1), search.ask(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(search.ask, 1, waits=True)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        search.give_back(second[0])
        assert waiting.result(60) == second
    assert first != second


def test_a_worker_that_waits_is_told_that_the_search_is_over() -> None:
    search = new_search("all-together", "steps")
    given = search.ask(2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(search.ask, 1, waits=True)
        for request in given:
            search.tell(request, losses_of(request, TRUTH))
        assert waiting.result(60) == ()


def test_the_adaptive_search_gives_each_worker_something_else_to_do() -> None:
    search = new_search("adaptive")
    for request in search.ask():
        search.tell(request, losses_of(request, TRUTH))
    given = [search.ask(1) for _ in range(6)]
    assert all(len(one) == 1 for one in given)
    assert len({one[0].key for one in given}) == 6


def test_a_worker_asks_for_at_least_one_training_in_a_kind_of_planning_that_there_is() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        new_search().ask(0)
    with pytest.raises(InvalidInputError, match="steps, continuous"):
        new_search(planning="at once")


def test_asking_telling_and_reading_at_the_same_time_loses_nothing() -> None:
    search, end = new_search(), threading.Event()

    def read() -> None:
        while not end.is_set():
            trials = search.state.trials
            assert len(trials) == len({trial.key for trial in trials})
            assert [trial.position for trial in trials] == list(range(len(trials)))

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        while requests := search.ask(3):
            for request in requests:
                search.tell(request, losses_of(request, TRUTH))
        end.set()
        for reader in readers:
            reader.result(60)
    assert len(search.state.trials) == len(TRUTH.networks) * len(TRUTH.seeds)
