"""Tasks and sizes that a job defines: what a job may say, and what follows for candidates and baselines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import Better, SizeVariant, TaskDefinition
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.reported import with_losses
from grouping.domain.tasks import Scale, Task
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.domain.verdicts.baselines import Baseline, Baselines
from grouping.errors import InvalidInputError
from grouping.search import Search
from grouping.strategies import get_strategy, list_strategies
from grouping.use_cases.submit import can_train

WEAR = TaskDefinition("wear", metric="accuracy", direction=Better.HIGHER)
HEAT = TaskDefinition("heat", scale=Scale.NONE)
FULL, SMALL = (
    SizeVariant("resnet50", 1.0, costs={"ms": 8.0}),
    SizeVariant("resnet18", 0.45, costs={"ms": 4.0}),
)
SPEC = JobSpec("", ("wear", "heat"), trainer="mine", definitions=(WEAR, HEAT), sizes=(FULL, SMALL))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"problem": "digits"}, "/problem"),
        ({"definitions": ()}, "/problem"),
        ({"tasks": ("heat", "wear")}, "/tasks"),
        ({"sizes": (SMALL, FULL)}, "/sizes/0/cost"),
        ({"sizes": (replace(FULL, width=2.0), SMALL)}, "/sizes/0/cost"),
        ({"sizes": (FULL, replace(SMALL, name="resnet50"))}, "/sizes/1/name"),
        ({"sizes": (FULL, SMALL, replace(SMALL, name="other"))}, "/sizes/2/cost"),
        ({"sizes": (FULL, replace(SMALL, costs={}))}, "/sizes/1/costs"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_pointed_at(
    changes: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        replace(SPEC, **changes)  # type: ignore[arg-type]
    assert caught.value.pointer == pointer


def test_the_sizes_of_a_job_are_those_of_its_single_tasks_with_their_costs() -> None:
    spec = replace(SPEC, sizes=(FULL, replace(SMALL, width=0.5)), single_sizes=(0.25,))
    assert spec.single_sizes == (0.5,)
    assert spec.size_names == {1.0: "resnet50", 0.5: "resnet18"}
    costs = {network.name(): network.cost_snt for network in spec.candidates.require_listed()}
    assert costs == {"wear@0.5": 0.45, "heat@0.5": 0.45, "wear": 1.0, "heat": 1.0, "heat+wear": 1.0}
    unlisted = Candidates.of(
        [f"t{i}" for i in range(40)], single_sizes=(0.5,), built_snt={1.0: 1.0, 0.5: 0.45}
    )
    assert unlisted.networks is None
    assert unlisted.find(["t3"], 0.5) == Network(frozenset({"t3"}), 0.5, 0.45)


@pytest.mark.parametrize("budget", [0.4, 0.9, 1.0, 1.5, 2.0, 9.0])
def test_baselines_have_only_sizes_that_can_be_built_and_keep_to_the_budget(budget: float) -> None:
    built = {1.0: 1.0, 0.5: 0.45}
    baselines = Baselines(built_snt=built).of_cost(("a", "b"), budget)
    assert {network.size for baseline in baselines for network in baseline.networks} <= set(built)
    assert all(sum(n.cost_snt for n in baseline.networks) <= budget for baseline in baselines)
    names = [baseline.name for baseline in baselines]
    assert names == ["all together"] * (budget >= 1) + ["all alone"] * (budget >= 0.9)
    if budget >= 2:
        assert Baseline("all alone", (Network.of("a"), Network.of("b"))) in baselines


def test_a_reported_value_becomes_a_loss_and_stays_as_the_metric() -> None:
    tasks = (WEAR.task(), Task("imported"))
    scores = (TaskScore("wear", 0.75, 0.5), TaskScore("imported", 0.75, 0.5))
    turned = with_losses(TrialOutcome(TrialState.SUCCEEDED, scores), tasks).scores
    assert turned == (TaskScore("wear", 0.25, 0.5, 0.75, 0.5), scores[1])
    untested = with_losses(TrialOutcome(TrialState.SUCCEEDED, (TaskScore("wear", 0.75),)), tasks).scores
    assert untested == (TaskScore("wear", 0.25, None, 0.75, None),)


SEARCHERS = [info.name for info in list_strategies() if can_train(False, get_strategy(info.name))]


@pytest.mark.parametrize("strategy", SEARCHERS)
def test_every_search_trains_alone_first_what_is_compared_with_that(strategy: str) -> None:
    ceiling = replace(HEAT, must_not_worsen=True, name="cold")
    tasks = [definition.task() for definition in (WEAR, HEAT, ceiling)]
    candidates = Candidates.of([task.name for task in tasks], single_sizes=(0.5,))
    search = Search(get_strategy(strategy), tasks, candidates, budgets_snt=(1.0, 2.0), seeds=(0, 1))
    first = search.ask()
    alone = {TrialRequest(Network.of(name), seed) for name in ("wear", "cold") for seed in (0, 1)}
    assert set(first) == alone
    for n, request in enumerate(first):
        scores = tuple(TaskScore(task, 0.5 + 0.01 * n) for task in request.network.group)
        search.tell_outcome(request, TrialOutcome(TrialState.SUCCEEDED, scores))
    assert not set(search.ask()) & alone
    scales = {task.name: task.scale for task in search.scores().tasks}
    assert scales["wear"] == pytest.approx(0.5, abs=0.04), "its mean error rate alone"
    assert scales["heat"] is Scale.NONE


def test_nothing_is_chosen_while_what_it_is_compared_with_is_still_in_training() -> None:
    tasks = [WEAR.task(), replace(HEAT, scale=Scale.SINGLE).task()]
    search = Search(
        get_strategy("adaptive"), tasks, SPEC.candidates, budgets_snt=(1.0, 2.0), planning="continuous"
    )
    one, other = search.ask(2)
    assert {one.network, other.network} == {Network.of("wear"), Network.of("heat")}
    search.tell(one, dict.fromkeys(one.network.group, 0.5))
    assert search.ask(2) == ()
    assert search.stop_reason is None
    search.tell(other, dict.fromkeys(other.network.group, 0.5))
    assert search.ask(2)


def test_a_single_task_network_that_diverges_does_not_hold_up_the_search() -> None:
    search = Search(
        get_strategy("exhaustive"), [WEAR.task(), HEAT.task()], SPEC.candidates, budgets_snt=(1.0,)
    )
    for request in search.ask():
        search.tell(request, None)
    assert search.ask()
    assert {task.scale for task in search.scores().tasks} == {Scale.SINGLE, Scale.NONE}


def test_the_terms_of_a_job_know_which_sizes_can_be_built() -> None:
    assert SearchTerms.of_job(SPEC).candidates.built_snt == {1.0: 1.0, 0.45: 0.45}
    assert SearchTerms.of_job(JobSpec("digits", ("a",))).candidates.built_snt is None
