"""What a study trains, and that its numbers are those of its trainings."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.study.plan import PlannedTraining, StudyOptions, plan_study
from grouping.study.reporting import StudyRun, make_report
from grouping.study.running import run_study
from grouping.trainers.built_in import BuiltIn
from grouping.training.data import TrainingData
from grouping.training.loop import train_network
from tests.recipes import by

PROBLEM = "breast-cancer"
RECIPE = Recipe(hidden=(8,), epochs=1, batch_size=128, learning_rate=0.01)
OPTIONS = StudyOptions(n_seeds=2, sizes=(1.0,), shares=(0.5, 1.0))


def recipe_for(recipe: Recipe, share: float, source: str | None) -> Recipe:
    """The recipe of a training of a study."""
    if source is not None:
        return BuiltInParameters.from_mapping(BuiltIn.from_source(by(recipe), source)).recipe
    return (
        recipe if share == 1 else BuiltInParameters.from_mapping(BuiltIn.on_share(by(recipe), share)).recipe
    )


@pytest.fixture(scope="module")
def run() -> StudyRun:
    return run_study(PROBLEM, OPTIONS, parameters=by(RECIPE))


def test_a_plan_has_every_single_and_pair_of_every_setup_and_every_transfer_once() -> None:
    tasks = ("a", "b", "c", "d")
    plan = plan_study(tasks, StudyOptions(n_seeds=2, sizes=(0.5, 2), shares=(0.25,)))
    assert len(plan) == len(set(plan)) == 2 * (4 * (4 + 6) + 1 + 4 + 12)
    for seed, (size, share) in ((s, x) for s in (0, 1) for x in ((1, 1), (0.5, 1), (2, 1), (1, 0.25))):
        for group in [*combinations(tasks, 1), *combinations(tasks, 2)]:
            assert PlannedTraining(Network.of(*group, size=size), seed, share) in plan
        assert PlannedTraining(Network.of(*tasks), seed) in plan
    assert {p.source for p in plan if p.network.group == {"a", "b"}} == {None, "a", "b"}
    sources = [p for p in plan if p.source is not None]
    assert len(sources) == 2 * len(list(permutations(tasks, 2)))


def test_networks_that_two_questions_need_are_trained_once() -> None:
    plan = plan_study(("a", "b"), StudyOptions(n_seeds=1, sizes=(0.5,), shares=(1,)))
    # Half size is that of both tasks alone, and the pair is all tasks together.
    assert len(plan) == 2 * 3 + 2


def test_steps_stay_about_the_same_on_fewer_rows_and_each_task_of_a_transfer_has_its_own() -> None:
    recipe = Recipe(epochs=10, schedule=Method("sequential"))
    assert recipe_for(recipe, 0.25, None) == replace(recipe, epochs=40)
    transfer = recipe_for(recipe, 1.0, "a")
    assert (transfer.epochs, transfer.schedule.name) == (20, "fine-tuning")
    with pytest.raises(InvalidInputError, match="larger share"):
        recipe_for(replace(recipe, epochs=5000), 0.25, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_seeds", 0), ("sizes", (0.0,)), ("sizes", (float("nan"),)), ("shares", (1.5,)), ("shares", (0.0,))],
)
def test_options_that_make_no_sense_are_refused_with_their_place(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as refused:
        StudyOptions(**{field: value})  # type: ignore[arg-type]
    assert refused.value.pointer == f"/{field}"


def test_one_task_is_no_study() -> None:
    with pytest.raises(InvalidInputError, match="at least two"):
        plan_study(("a",), StudyOptions())


def test_a_smaller_share_of_the_rows_is_a_part_of_a_larger_one_and_only_of_the_training_rows() -> None:
    dataset = get_problem(PROBLEM).load(DATA_SEED)
    quarter, half = dataset.on_share(0.25, DATA_SEED), dataset.on_share(0.5, DATA_SEED)
    assert set(quarter.train) < set(half.train) < set(dataset.train)
    assert len(half.train) == round(0.5 * len(dataset.train))
    assert np.array_equal(quarter.validation, dataset.validation)
    assert np.array_equal(quarter.test, dataset.test)
    assert dataset.on_share(1.0, DATA_SEED) is dataset
    # Drawn: where rows are sorted in some way, their beginning would be another kind of data.
    assert set(half.train) != set(dataset.train[: len(half.train)])


def test_every_planned_training_has_a_score_for_each_of_its_tasks(run: StudyRun) -> None:
    plan = plan_study(run.tasks, OPTIONS)
    assert run.n_trainings == len(plan)
    assert {(s.training, s.task) for s in run.scores} == {(p, t) for p in plan for t in p.network.group}
    assert run.n_diverged == 0
    assert run.n_epochs == sum(recipe_for(RECIPE, p.share, p.source).epochs for p in plan)
    assert run.cost_together_snt == 1
    assert 0.5 < run.cost_alone_snt <= 1


@pytest.mark.parametrize(
    ("size", "share", "source"),
    [(1.0, 1.0, None), (1.0, 0.5, None), (0.2, 1.0, None), (1.0, 1.0, "malignant")],
)
def test_scores_are_those_of_the_training_by_itself(
    run: StudyRun, size: float, share: float, source: str | None
) -> None:
    group = ("worst_area",) if size < 1 else ("malignant", "worst_area")
    planned = PlannedTraining(Network.of(*group, size=size), 1, share, source)
    problem = get_problem(PROBLEM)
    data = TrainingData.from_dataset(problem.load(DATA_SEED).on_share(share, DATA_SEED), problem.tasks)
    request = TrialRequest(planned.network, planned.seed)
    outcome = train_network(data, request, recipe_for(RECIPE, share, source))
    found = {s.task: s.loss for s in run.scores if s.training == planned}
    assert found == pytest.approx({score.task: score.test_loss for score in outcome.scores}, rel=1e-4)


def test_the_report_of_a_run_answers_every_question(run: StudyRun) -> None:
    report = make_report(run)
    assert [f.question for f in report.findings] == ["pairs", "together", "size", "data", "transfer"]
    assert all(finding.sentence for finding in report.findings)
    assert [(e.size, e.share) for e in report.effects] == [(1.0, 1.0), (1.0, 0.5)]
    assert report.recipe["hidden"] == [8]


def test_bad_input_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(UnknownNameError):
        run_study("nothing", OPTIONS)
    with pytest.raises(InvalidInputError, match=r"cannot build the network .*@0\.01, .*Choose other sizes"):
        run_study(PROBLEM, replace(OPTIONS, sizes=(0.01,)), parameters=by(RECIPE))
    stranger = replace(RECIPE, schedule=Method("sequential", {"order": ["nobody"]}))
    with pytest.raises(InvalidInputError, match="'nobody'"):
        run_study(PROBLEM, OPTIONS, parameters=by(stranger))
    with pytest.raises(InvalidInputError, match="at least 5"):
        run_study(PROBLEM, OPTIONS, parameters=by(replace(RECIPE, schedule=Method("continual"))))
