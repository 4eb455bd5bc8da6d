"""Forecasts of a search: bounds that the search keeps."""

from __future__ import annotations

import pytest

from grouping.domain.networks import Candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.search import Search
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, get_strategy, list_strategies
from grouping.strategies.forecast import Forecast, count_candidate_shapes, forecast
from tests.tables import random_table

TRUTH = random_table(7, n_tasks=4, n_seeds=2)
SPACE = Candidates.of(TRUTH.task_names, single_sizes=(0.5,))
BUDGETS = (1.0, 2.0)


def empty(candidates: Candidates = SPACE, budgets: tuple[float, ...] = BUDGETS) -> Evidence:
    """Evidence before anything is trained."""
    nothing = ScoreTable.from_scores(TRUTH.tasks, (), ())
    return Evidence(candidates, nothing, nothing, budgets, TRUTH.seeds)


@pytest.mark.parametrize("name", [info.name for info in list_strategies()])
def test_a_search_stays_within_its_forecast(name: str) -> None:
    strategy = get_strategy(name)
    told = forecast(strategy, empty(), solve_budgets)
    search = Search(strategy, TRUTH.tasks, SPACE, budgets_snt=BUDGETS, seeds=TRUTH.seeds)
    n_trained = n_first = 0
    while requests := search.ask():
        n_first = n_first or len(requests)
        n_trained += len(requests)
        for request in requests:
            row = TRUTH.position(request.network)
            layer = TRUTH.seeds.index(request.seed)
            column = {task: t for t, task in enumerate(TRUTH.task_names)}
            losses = {t: float(TRUTH.validation_losses[row, column[t], layer]) for t in request.network.group}
            search.tell(request, losses)
    assert n_first <= told.n_lower <= n_trained <= told.n_upper
    assert sum(told.costliest().values()) == told.n_upper


def test_the_exhaustive_forecast_is_exact_and_by_kind() -> None:
    told = forecast(get_strategy("exhaustive"), empty(), solve_budgets)
    assert told.is_exact
    assert told.lower == {
        (1, 0.5, 1.0): 8,
        (1, 1.0, 1.0): 8,
        (2, 1.0, 1.0): 12,
        (3, 1.0, 1.0): 8,
        (4, 1.0, 1.0): 2,
    }


def test_what_is_chosen_after_the_first_step_is_bounded_by_the_inference_budgets() -> None:
    told = forecast(get_strategy("hoa"), empty(budgets=(1.0,)), solve_budgets)
    assert (told.n_lower, told.n_upper) == (28, 28 + 2 * 2)
    assert not told.is_exact
    assert told.costliest()[4, 1.0, 1.0] == 2


def test_what_another_job_knows_is_not_counted() -> None:
    told = forecast(
        get_strategy("exhaustive"),
        empty(),
        solve_budgets,
        is_free=lambda request: len(request.network.group) == 1,
        n_free={(1, 0.5, 1.0): 8, (1, 1.0, 1.0): 8},
    )
    assert (told.n_lower, told.n_upper) == (22, 22)


def test_candidates_are_counted_without_being_listed() -> None:
    names = tuple(f"t{i:02}" for i in range(40))
    shapes = count_candidate_shapes(Candidates.of(names, single_sizes=(0.5,)))
    assert shapes[20, 1.0] == 137_846_528_820
    assert sum(shapes.values()) == 2**40 - 1 + 40
    assert count_candidate_shapes(SPACE) == count_candidate_shapes(
        Candidates.of(SPACE.tasks, single_sizes=(0.5,), limit=1)
    )


def test_the_costliest_case_takes_the_largest_networks_first() -> None:
    told = Forecast({(1, 1.0, 1.0): 3}, {(1, 0.5, 1.0): 5, (1, 1.0, 1.0): 3, (2, 1.0, 1.0): 4}, most=9)
    assert told.costliest() == {(1, 0.5, 1.0): 2, (1, 1.0, 1.0): 3, (2, 1.0, 1.0): 4}
