"""Laws of the training budget: it is never passed, nothing that fits is left out, the search leaves room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.allowance import Allowance, Prices
from grouping.domain.trainings.budgets import (
    ConfirmationNeed,
    ConfirmationRound,
    allowance_left,
    allowance_of_search,
    rounds_kept_back,
)
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import Purpose, Trial, TrialOrigin, TrialRequest, TrialState
from grouping.recipes import epochs_of
from tests.recipes import by, recipe_in

NAMES = ("a", "b", "c")
TASKS = tuple(Task.regression(name) for name in NAMES)
RECIPES = st.builds(
    Recipe,
    epochs=st.integers(1, 40),
    sharing=st.sampled_from([Method("hard"), Method("sparse"), Method("adaptive-widening")]),
)
LIMITS = st.none() | st.integers(1, 60)
BUDGETS = st.builds(TrainingBudget, trainings=LIMITS, epochs=st.none() | st.integers(1, 600))
REQUESTS = st.lists(
    st.builds(
        TrialRequest,
        st.sampled_from([Network.of("a"), Network.of("a", "b"), Network.of("c", size=0.5)]),
        st.integers(0, 5),
        st.sampled_from([1.0, 0.2]),
        st.sampled_from(list(Purpose)),
    ),
    max_size=40,
)
SPECS = st.builds(
    JobSpec,
    st.just("p"),
    st.just(NAMES),
    budgets_snt=st.lists(st.sampled_from([1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=3).map(tuple),
    n_confirmation_seeds=st.integers(0, 6),
    training_budget=BUDGETS,
    trainer_parameters=RECIPES.map(by),
)


@st.composite
def trials(draw: st.DrawFn, recipe: Recipe) -> list[Trial]:
    """Trials in any state, some of them copied."""
    made = []
    for position, request in enumerate(draw(REQUESTS)):
        state = draw(st.sampled_from(list(TrialState)))
        is_copy = draw(st.booleans()) and state in (TrialState.SUCCEEDED, TrialState.DIVERGED)
        planned = epochs_of(recipe)(len(request.network.group), request.fidelity)
        made.append(
            Trial(
                id=str(position),
                position=position,
                network=request.network,
                purpose=request.purpose,
                seed=request.seed,
                fidelity=request.fidelity,
                state=state,
                attempts=0,
                planned_epochs=planned,
                epochs=draw(st.integers(0, planned)) if state is TrialState.SUCCEEDED else 0,
                seconds=0.0,
                error=None,
                started_s=None,
                finished_s=None,
                scores=(),
                reused_from=TrialOrigin("job", "trial") if is_copy else None,
            )
        )
    return made


def cost(requests: list[TrialRequest] | tuple[TrialRequest, ...], recipe: Recipe) -> tuple[int, int]:
    """Trainings and epochs of requests that cost something; those of seed 0 are free."""
    charged = [request for request in requests if request.seed]
    counting = epochs_of(recipe)
    return len(charged), sum(counting(len(r.network.group), r.fidelity) for r in charged)


def is_free(request: TrialRequest) -> bool:
    return request.seed == 0


@given(st.data(), SPECS, REQUESTS)
def test_what_is_planned_never_passes_the_budget_and_stops_at_the_first_that_would(
    data: st.DataObject, spec: JobSpec, requests: list[TrialRequest]
) -> None:
    recipe, budget = recipe_in(spec), SearchTerms.of_job(spec).training_budget
    prices = Prices(epochs_of(recipe))
    before = data.draw(trials(recipe))
    counted = [t for t in before if t.state is not TrialState.SKIPPED and t.reused_from is None]
    epochs = (t.epochs if t.state is TrialState.SUCCEEDED else t.planned_epochs for t in counted)
    spent = (len(counted), sum(epochs))
    left = allowance_left(budget, SearchState(TASKS, tuple(before)), prices)
    fitting = left.first_fitting(requests, prices, is_free=is_free)
    added = cost(fitting, recipe)
    for limit, used, more in zip((budget.trainings, budget.epochs), spent, added, strict=True):
        assert limit is None or more == 0 or used + more <= limit
    assert [r for r in requests if is_free(r)] == [r for r in fitting if is_free(r)]
    charged = [r for r in requests if not is_free(r)]
    kept = [r for r in fitting if not is_free(r)]
    assert kept == charged[: len(kept)], "the first ones"
    if len(kept) < len(charged):
        one_more = cost(charged[: len(kept) + 1], recipe)
        limits = (budget.trainings, budget.epochs)
        assert any(
            limit is not None and used + more > limit
            for limit, used, more in zip(limits, spent, one_more, strict=True)
        )


ROUNDS = st.integers(0, 40).flatmap(
    lambda n: st.builds(ConfirmationRound, st.just(n), st.integers(n, 40 * n), st.floats(0, 2 * n))
)


@given(SPECS, ROUNDS)
def test_what_is_kept_back_is_whole_rounds_within_half_of_the_budget(
    spec: JobSpec, one: ConfirmationRound
) -> None:
    budget, n_networks = spec.training_budget, one.networks
    rounds = rounds_kept_back(SearchTerms.of_job(spec), one)
    assert 0 <= rounds <= spec.n_confirmation_seeds
    assert rounds == 0 or rounds >= min(2, spec.n_confirmation_seeds)
    if n_networks and budget.trainings is not None:
        assert 2 * rounds * n_networks <= budget.trainings
    if n_networks and budget.epochs is not None:
        assert 2 * rounds * one.epochs <= budget.epochs


@given(SPECS, ROUNDS, st.floats(0, 10), st.floats(1e-3, 1e6), st.floats(0, 2e6))
def test_of_any_unit_at_most_half_is_kept_back_and_the_search_has_the_rest(
    spec: JobSpec, one: ConfirmationRound, epoch_s: float, limit: float, spent: float
) -> None:
    whole = Allowance(equivalents=limit, seconds=limit)
    terms = replace(SearchTerms.of_job(spec), training_budget=whole)
    left = whole.less(equivalents=spent, seconds=spent)
    search = allowance_of_search(terms, left, one, epoch_s)
    rounds = rounds_kept_back(terms, one, epoch_s)
    for name, cost in (("equivalents", one.equivalents), ("seconds", one.epochs * epoch_s)):
        kept = rounds * cost
        assert kept <= limit / 2 * (1 + 1e-9)
        assert getattr(search, name) == pytest.approx(max(0, max(0, limit - spent) - kept), abs=1e-9 * limit)
    assert search.is_out_of_time == (search.seconds == 0)


@given(SPECS, st.integers(0, 60))
def test_search_and_what_is_kept_back_are_the_whole_budget(spec: JobSpec, used: int) -> None:
    terms = SearchTerms.of_job(spec)
    left = terms.training_budget.less(trainings=used, epochs=used)
    need = ConfirmationNeed.of(terms)
    one = need.most_in_a_round(terms, Prices(epochs_of(recipe_in(spec))))
    assert one.networks == need.most
    assert one.epochs >= need.most * recipe_in(spec).epochs
    kept = rounds_kept_back(terms, one) * one.networks
    beside = allowance_of_search(terms, left, one, 0.0)
    limit = spec.training_budget.trainings
    assert (beside.trainings is None) == (limit is None)
    if limit is not None and beside.trainings is not None:
        assert beside.trainings == max(0, max(0, limit - used) - kept)
    assert need.least <= need.most


@given(st.floats(0, 20), REQUESTS)
def test_a_charge_is_passed_by_no_request_and_holds_every_one_before(
    limit: float, wanted: list[TrialRequest]
) -> None:
    prices = Prices(lambda _n_tasks, _fidelity: 1, share_of=lambda fidelity: 1.0 if fidelity == 1 else 0.05)
    kept = Allowance(equivalents=limit).first_fitting(wanted, prices)
    charges = [prices.equivalents(request) for request in wanted]
    assert kept == tuple(wanted[: len(kept)])
    assert sum(charges[: len(kept)]) <= limit + 1e-6
    assert len(kept) == len(wanted) or sum(charges[: len(kept) + 1]) > limit - 1e-6
