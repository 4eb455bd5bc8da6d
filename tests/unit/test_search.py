"""Ask and tell in one's own process."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.trials import Purpose, TrialRequest
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.errors import InvalidInputError
from grouping.search import Search
from grouping.solver import solve
from grouping.strategies import get_strategy
from tests.tables import random_table

TRUTH = random_table(3, n_tasks=4, n_seeds=2)
SPACE = Candidates.listed(TRUTH.task_names, TRUTH.networks)


def losses(request: TrialRequest, table: ScoreTable = TRUTH) -> dict[str, float]:
    row, layer = table.position(request.network), table.seeds.index(request.seed)
    return {
        task: float(table.validation_losses[row, t, layer])
        for t, task in enumerate(table.task_names)
        if task in request.network.group
    }


def new_search(max_trainings: int | None = None) -> Search:
    return Search(
        get_strategy("exhaustive"),
        TRUTH.tasks,
        SPACE,
        budgets_snt=(1.0, 2.0),
        seeds=TRUTH.seeds,
        max_trainings=max_trainings,
    )


def test_a_search_told_every_loss_recommends_the_optimum_of_the_table() -> None:
    search = new_search()
    while requests := search.ask():
        for request in requests:
            search.tell(request, losses(request))
    assert search.stop_reason is StopReason.SEARCH_COMPLETE
    assert search.recommend(2.0).loss == pytest.approx(solve(TRUTH, 2.0).loss, abs=1e-12)
    assert search.estimate().is_measured.all()


def test_what_was_asked_for_and_not_told_is_asked_for_again() -> None:
    search = new_search()
    first = search.ask()
    search.tell(first[0], losses(first[0]))
    assert search.ask() == first[1:]


def test_the_training_budget_cuts_the_requests_and_ends_the_search() -> None:
    search = new_search(max_trainings=3)
    requests = search.ask()
    assert len(requests) == 3
    for request in requests:
        search.tell(request, losses(request))
    assert search.ask() == ()
    assert search.stop_reason is StopReason.TRAINING_BUDGET_SPENT


def test_a_network_of_which_one_training_diverged_has_no_losses() -> None:
    search = new_search()
    first, *_ = requests = search.ask()
    for request in requests:
        is_lost = request.network == first.network and request.seed == TRUTH.seeds[1]
        search.tell(request, None if is_lost else losses(request))
    scores = search.scores()
    assert not scores.is_complete[scores.position(first.network)]
    assert scores.is_complete.sum() == len(TRUTH.networks) - 1


def test_a_training_told_twice_or_in_part_is_refused() -> None:
    search = new_search()
    request = next(r for r in search.ask() if len(r.network.group) > 1)
    with pytest.raises(InvalidInputError, match="one validation loss for each task"):
        search.tell(request, {min(request.network.group): 0.1})
    with pytest.raises(InvalidInputError, match="not finite"):
        search.tell(request, dict.fromkeys(request.network.group, np.inf))
    search.tell(request, losses(request))
    with pytest.raises(InvalidInputError, match="told before"):
        search.tell(request, losses(request))


def test_many_tasks_are_described_and_not_listed() -> None:
    names = tuple(f"t{i}" for i in range(40))
    space = Candidates.of(names, single_sizes=(0.5,))
    assert space.networks is None
    assert space.count == 2**40 - 1 + 40
    assert space.find(names[:17]) == Network.of(*names[:17])
    assert space.find(names[:2], size=0.5) is None
    assert [n.size for n in space.singles] == [1.0] * 40 + [0.5] * 40


def test_a_search_with_fresh_seeds_confirms_what_it_recommends_and_gives_a_verdict() -> None:
    fresh = (10, 11, 12)
    search = Search(
        get_strategy("exhaustive"),
        TRUTH.tasks,
        SPACE,
        budgets_snt=(2.0,),
        confirmation_seeds=fresh,
    )
    asked: list[TrialRequest] = []
    while requests := search.ask():
        asked += requests
        for request in requests:
            told = dict.fromkeys(request.network.group, 0.5 + 0.01 * len(request.network.group))
            search.tell(request, told, {task: loss + 0.001 * request.seed for task, loss in told.items()})
    assert search.stop_reason is StopReason.SEARCH_COMPLETE
    confirmed = {r.network.key for r in asked if r.purpose is Purpose.CONFIRMATION}
    assert {r.seed for r in asked if r.purpose is Purpose.CONFIRMATION} == set(fresh)
    (found,) = search.recommendations()
    baselines = {n.key for b in BOTH_BASELINES.of_cost(TRUTH.task_names, 2.0) for n in b.networks}
    assert confirmed == baselines | {n.key for n in found.solution.require_grouping().networks}
    assert found.verdict is not None
    assert found.verdict.is_confirmed
    assert not found.verdict.is_by_validation
    assert search.scores().seeds == (0,), "fresh seeds take no part in the choice"


def test_no_seed_may_search_and_confirm() -> None:
    with pytest.raises(InvalidInputError, match="search and confirm"):
        Search(
            get_strategy("exhaustive"),
            TRUTH.tasks,
            SPACE,
            budgets_snt=(2.0,),
            seeds=(0, 1),
            confirmation_seeds=(1, 2),
        )


def test_what_was_known_before_counts_in_no_budget() -> None:
    search = new_search(max_trainings=2)
    for network in TRUTH.networks[:3]:
        request = TrialRequest(network, TRUTH.seeds[0])
        search.tell(request, losses(request), is_free=True)
    assert len(search.ask()) == 2
