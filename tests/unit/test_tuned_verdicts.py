"""Each its best: what a search trains to tune every grouping that a verdict compares, and what comes out.

Losses are scripted: what a network reaches under a recipe, with noise by seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.allowance import Allowance, Prices
from grouping.domain.trainings.budgets import tuning_at_most
from grouping.domain.trainings.trials import PLAIN, Purpose, TaskScore, Trial, TrialRequest, TrialState
from grouping.domain.verdicts.contestants import contestants_of, random_alike
from grouping.domain.verdicts.tuning import TuningTerms
from grouping.domain.verdicts.verdict import Question, Verdict
from grouping.errors import InvalidInputError
from grouping.search import Planner
from grouping.solver import Recommendation, recommend, tunings_of
from grouping.strategies import get_strategy

NAMES = ("a", "b", "c", "d")
TASKS = tuple(map(Task.binary, NAMES))
SPEC = JobSpec(
    "p",
    NAMES,
    strategy="exhaustive",
    max_group_size=4,
    budgets_snt=(2.0,),
    n_seeds=2,
    n_confirmation_seeds=4,
    tune="each",  # type: ignore[arg-type]  # as it comes from a request
    n_recipes=12,
)
Loss = Callable[[TrialRequest, str], float]


def noise(request: TrialRequest, task: str, level: float) -> float:
    key = (sorted(request.network.group), request.network.size, request.seed, request.variant, task)
    return level * random.Random(repr(key)).gauss(0.0, 1.0)


def pairs_win(request: TrialRequest, task: str) -> float:
    """The groups ab and cd win under the recipe of the job; all together are as good at its recipe 5."""
    group, (recipe, members) = set(request.network.group), request.variant
    if group in ({"a", "b"}, {"c", "d"}):
        best = 0.90 - 0.01 * (recipe == 3)
    elif len(group) == 4:
        best = 1.0 - 0.11 * (recipe == 5) - 0.002 * (members - 1)
    else:
        best = 1.1 - 0.05 * (recipe == 7)
    return best + noise(request, task, 0.004)


def carried_out(
    loss: Loss, spec: JobSpec = SPEC, *, forgets: bool = False
) -> tuple[SearchTerms, SearchState, list[tuple[TrialRequest, ...]], StopReason | None]:
    """A whole search. With `forgets`, half of each plan is lost and planned again from what is known then."""
    terms = SearchTerms.of_job(spec)
    state = SearchState(TASKS)
    plans: list[tuple[TrialRequest, ...]] = []
    while True:
        planner = Planner(terms, state, get_strategy(spec.strategy), Prices(lambda n, fidelity: 1))
        plan = planner.next_plan()
        if not plan.requests:
            return terms, state, plans, plan.reason
        assert len(plans) < 60, "it does not end"
        done = plan.requests[: (len(plan.requests) + 1) // 2] if forgets else plan.requests
        plans.append(done)
        state = SearchState(
            TASKS, (*state.trials, *(ended(len(state.trials) + n, r, loss) for n, r in enumerate(done)))
        )


def ended(position: int, request: TrialRequest, loss: Loss) -> Trial:
    scores = tuple(TaskScore(t, loss(request, t), loss(request, t)) for t in sorted(request.network.group))
    return replace(Trial.planned(position, request), state=TrialState.SUCCEEDED, scores=scores)


def judged(terms: SearchTerms, state: SearchState) -> tuple[Recommendation, Verdict]:
    confirmation = state.scores(purpose=Purpose.CONFIRMATION)
    found = recommend(state.full, confirmation, terms.budgets_snt, baselines=terms.baselines)
    (tuning,) = tunings_of(terms, state, found)
    return found[0], tuning.verdict


def test_a_win_under_one_recipe_may_vanish_when_each_has_its_best() -> None:
    terms, state, _, reason = carried_out(pairs_win)
    found, tuned = judged(terms, state)
    assert reason is StopReason.SEARCH_COMPLETE
    assert found.verdict is not None
    assert found.verdict.question is Question.ONE_RECIPE
    assert found.verdict.is_worth_it
    assert tuned.is_confirmed
    assert not tuned.is_worth_it
    assert tuned.question is Question.EACH_ITS_BEST
    assert [(one.name, one.recipe) for one in tuned.recipes] == [
        ("recommended", 3),
        ("all together", 5),
        ("all alone", 7),
        ("ensemble of 2 of all together", 5),
    ]
    assert "each at its best recipe" in tuned.sentence()
    gains = {one.baseline: one.gain for one in tuned.comparisons}
    assert abs(gains["all together"]) < 0.01
    assert gains["all alone"] > 0.1
    assert tuned.random is not None
    assert tuned.random.gain > 0.1, "it is the choice, and not the splitting"
    for one in tuned.comparisons:
        low, high = one.interval
        assert low < one.gain < high


def test_fresh_seeds_tune_nothing_and_tuning_chooses_no_grouping() -> None:
    terms, state, _, _ = carried_out(pairs_win)
    by_purpose = {p: {t.seed for t in state.trials if t.purpose is p} for p in Purpose}
    assert by_purpose[Purpose.TUNED] == set(terms.confirmation_seeds)
    assert by_purpose[Purpose.TUNING].isdisjoint(terms.confirmation_seeds)
    assert by_purpose[Purpose.TUNING] > set(terms.search_seeds)
    plain, _, _, _ = carried_out(pairs_win, replace(SPEC, tune="none"))  # type: ignore[arg-type]
    assert all(
        t.variant == PLAIN for t in state.trials if t.purpose in (Purpose.SEARCH, Purpose.CONFIRMATION)
    )
    assert plain.tuning is None


def test_a_lucky_recipe_is_found_out_by_more_seeds() -> None:
    def lucky(request: TrialRequest, task: str) -> float:
        """Recipe 9 is much the best on the seeds of the search, and the worst elsewhere."""
        if request.variant.recipe == 9 and request.purpose is Purpose.TUNING:
            return 0.1 if request.seed in SPEC.search_seeds else 2.0
        return pairs_win(request, task)

    _, tuned = judged(*carried_out(lucky)[:2])
    assert 9 not in {one.recipe for one in tuned.recipes}


def test_what_is_lost_is_planned_again_with_the_same_end() -> None:
    terms, whole, _, _ = carried_out(pairs_win)
    _, parts, _, _ = carried_out(pairs_win, forgets=True)
    assert {t.key for t in parts.trials} == {t.key for t in whole.trials}
    assert judged(terms, parts)[1] == judged(terms, whole)[1]


def test_all_get_the_same_tuner_and_no_more_is_trained_than_was_said() -> None:
    terms, state, _, _ = carried_out(pairs_win)
    assert terms.tuning is not None
    tried: dict[Network, set[int]] = {}
    for trial in state.trials:
        if trial.purpose is Purpose.TUNING:
            tried.setdefault(trial.network, set()).add(trial.variant.recipe)
    assert all(recipes == set(range(12)) for recipes in tried.values())
    done = [t for t in state.trials if t.purpose in (Purpose.TUNING, Purpose.TUNED)]
    most = tuning_at_most(terms, Prices(lambda n, fidelity: 1))
    assert len(done) <= most.networks
    assert sum(t.variant.members for t in done) <= most.epochs
    assert terms.tuning.trainings * 6 < len(done), "ab, cd, all at size 2, four alone, the ensemble"


def test_a_training_budget_keeps_room_for_the_tuning_or_says_that_there_is_none() -> None:
    terms = SearchTerms.of_job(SPEC)
    most = tuning_at_most(terms, Prices(lambda n, fidelity: 1)).networks
    ample = replace(SPEC, training_budget=replace(SPEC.training_budget, trainings=2 * most))
    terms, state, _, _ = carried_out(pairs_win, ample)
    assert judged(terms, state)[1].is_confirmed
    assert terms.training_budget == Allowance(trainings=2 * most)
    scarce = replace(SPEC, training_budget=replace(SPEC.training_budget, trainings=150))
    terms, state, _, reason = carried_out(pairs_win, scarce)
    _, tuned = judged(terms, state)
    assert len(state.trials) <= 150
    assert reason is StopReason.TRAINING_BUDGET_SPENT
    assert not tuned.is_confirmed
    assert not tuned.is_worth_it
    assert "Not confirmed" in tuned.sentence()


def test_a_recipe_that_diverges_is_dropped() -> None:
    terms, state, _, _ = carried_out(pairs_win)
    trials = tuple(
        replace(t, state=TrialState.DIVERGED, scores=())
        if t.variant.recipe == 5 and t.seed == 0 and t.purpose is Purpose.TUNING
        else t
        for t in state.trials
    )
    found = recommend(state.full, None, terms.budgets_snt)
    (tuning,) = tunings_of(terms, SearchState(TASKS, trials), found)
    assert 5 not in {one.best for one in tuning.contestants}


@pytest.mark.parametrize("n_recipes", [2, 3, 24, 200])
def test_later_rounds_have_fewer_recipes_and_more_seeds(n_recipes: int) -> None:
    terms = TuningTerms(n_recipes, tuple(range(12)))
    kept, seeds = zip(*terms.rounds, strict=True)
    assert kept[0] == n_recipes
    assert seeds[-1] == 12
    assert list(kept) == sorted(kept, reverse=True)
    assert list(seeds) == sorted(seeds)


def test_random_groupings_have_the_shape_of_the_recommended_one_and_are_others() -> None:
    terms, state, _, _ = carried_out(pairs_win)
    grouping = judged(terms, state)[0].solution.require_grouping()
    drawn = random_alike(grouping, seed=0)
    assert {frozenset(n.group for n in one.grouping.networks) for one in drawn} == {
        frozenset({frozenset("ac"), frozenset("bd")}),
        frozenset({frozenset("ad"), frozenset("bc")}),
    }, "there are no others"
    assert drawn == random_alike(grouping, seed=0)
    ensemble = contestants_of(grouping, 2.0, terms.baselines)[-1]
    assert ensemble.members * sum(n.cost_snt for n in ensemble.grouping.networks) == 2.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_confirmation_seeds": 1}, "fresh seeds"),
        ({"compared_with": "none"}, "choose baselines"),
        ({"tune": "some"}, "none, each"),
    ],
)
def test_what_cannot_be_tuned_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as caught:
        replace(SPEC, **changes)  # type: ignore[arg-type]
    assert caught.value.pointer == "/tune"
