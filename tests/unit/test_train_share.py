"""The built-in trainer on a share of the training rows."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.trainings.recipes import BuiltInParameters, Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.trainers import LocalPool, TrainerJob
from grouping.trainers.built_in import BuiltIn
from grouping.trainers.local import PreparedTrainer
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks

PROBLEM = get_problem("breast-cancer")
TASKS = tuple(task.name for task in PROBLEM.tasks)
RECIPE = Recipe(hidden=(8,), epochs=2, batch_size=64)
REQUEST = TrialRequest(Network.of(*TASKS[:2]), 3)


def prepared(share: float) -> PreparedTrainer:
    terms = SearchTerms(Candidates.of(TASKS), (1.0,))
    parameters = BuiltInParameters(RECIPE, train_share=share).as_mapping()
    return PreparedTrainer.of(BuiltIn, TrainerJob(PROBLEM.name, TASKS, terms, parameters))


def test_a_job_on_a_share_of_the_rows_trains_on_those_rows_alone() -> None:
    found = prepared(0.25)
    (outcome,) = LocalPool().worker(found.trainer.setup()).train([REQUEST])
    dataset = PROBLEM.load(DATA_SEED).on_share(0.25, DATA_SEED)
    expected: TrialOutcome
    (expected,) = train_networks(TrainingData.from_dataset(dataset, PROBLEM.tasks), [REQUEST], RECIPE)
    assert outcome.scores == expected.scores
    assert found.prepared.fingerprint == dataset.digest()


def test_scores_of_two_shares_are_of_other_data_and_never_copied() -> None:
    quarter, all_rows = prepared(0.25), prepared(1.0)
    assert quarter.prepared.fingerprint != all_rows.prepared.fingerprint
    assert quarter.trainer.setup().key != all_rows.trainer.setup().key
    told = [
        BuiltIn.scores_depend_on(each.trainer.job.parameters, each.prepared.settled)
        for each in (quarter, all_rows)
    ]
    assert told == [{**asdict(RECIPE), "train_share": 0.25}, asdict(RECIPE)]


def test_all_rows_are_named_nowhere_so_that_older_jobs_agree() -> None:
    old = {"recipe": asdict(RECIPE), "tuning_samples": 0}
    new = BuiltInParameters(RECIPE).as_mapping()
    for asked in (BuiltIn.scores_depend_on, BuiltIn.durations_depend_on, BuiltIn.in_words):
        assert asked(old, None) == asked(new, None)
    assert BuiltIn.in_words({**old, "train_share": 0.25}, None).endswith("25 % of the training rows")


def test_a_clone_trains_on_the_same_share_and_a_study_on_a_share_of_it() -> None:
    parameters = BuiltInParameters(RECIPE, 3, 0.5).as_mapping()
    used = BuiltIn.in_use(parameters, {"recipe": asdict(RECIPE), "engine": None})
    assert used == BuiltInParameters(RECIPE, 0, 0.5).as_mapping()
    assert BuiltIn.on_share(used, 0.5)["train_share"] == 0.25


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(InvalidInputError) as refused:
        BuiltInParameters(RECIPE, train_share=share)
    assert refused.value.pointer == "/train_share"
