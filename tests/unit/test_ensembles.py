"""Ensembles, the mean prediction of several networks, and trainings under drawn recipes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.tasks import TaskKind
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState, Variant
from grouping.recipes.losses import Constants
from grouping.trainers.workers import WorkerContext
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from grouping.training.ensembles import SEED_STEP, train_ensemble
from grouping.training.targets import FORMS
from grouping.training.worker import BuiltInWorker, WorkerMaker
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

DATASET = make_dataset(rows=200)
DATA = TrainingData.from_dataset(DATASET, TASKS)
RECIPE = Recipe(hidden=(8,), epochs=4, learning_rate=0.02)
OTHER = replace(RECIPE, hidden=(5, 5), epochs=2, learning_rate=0.05)
ALL = Network.of(*(task.name for task in TASKS))


def losses(outcome: TrialOutcome) -> dict[str, float]:
    assert outcome.state is TrialState.SUCCEEDED, outcome.error
    return {score.task: score.validation_loss for score in outcome.scores}


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.SEQUENTIAL])
def test_the_mean_prediction_is_better_than_its_members_are_on_average(engine: Engine) -> None:
    found = train_ensemble(DATA, TrialRequest(ALL, 3, variant=Variant(0, 3)), RECIPE, engine)
    alone = train_networks(
        DATA, [TrialRequest(ALL, 3 + member * SEED_STEP) for member in range(3)], RECIPE, engine=engine
    )
    assert found.epochs == 3 * RECIPE.epochs
    for task, loss in losses(found).items():
        members = [losses(one)[task] for one in alone]
        assert loss < sum(members) / 3, "these losses are convex in the prediction"
        assert loss != min(members)


def test_an_ensemble_of_one_is_the_network_and_equal_requests_give_equal_floats() -> None:
    (alone,) = train_networks(DATA, [TrialRequest(ALL, 3)], RECIPE)
    assert losses(train_ensemble(DATA, TrialRequest(ALL, 3), RECIPE)) == losses(alone)
    request = TrialRequest(ALL, 3, variant=Variant(0, 2))
    assert losses(train_ensemble(DATA, request, RECIPE)) == losses(train_ensemble(DATA, request, RECIPE))


def test_probabilities_and_numbers_are_averaged() -> None:
    outputs = torch.randn(4, 50, 6, dtype=torch.float64) * 5
    for kind, form in FORMS.items():
        n_elements = 2 if kind is TaskKind.CLASS_MAP else 1
        constants = Constants(torch.zeros(6).numpy(), 1.0, 1.0, n_elements=n_elements)
        mean = torch.stack([form.decode(one, constants) for one in outputs]).mean(dim=0)
        if kind is TaskKind.NORMALS:
            mean = form.decode(mean, constants)
        torch.testing.assert_close(form.decode(form.averaged(outputs, constants), constants), mean)


def test_each_of_a_mixed_stack_is_trained_under_its_recipe() -> None:
    maker = WorkerMaker("d", TASKS, RECIPE, recipes=(RECIPE, OTHER))
    worker = BuiltInWorker([DATASET], maker, WorkerContext())
    variants = (Variant(), Variant(1), Variant(1, 2), Variant())
    requests = [TrialRequest(ALL, seed, variant=variant) for seed, variant in enumerate(variants)]
    found = [losses(one) for one in worker.train(requests)]
    plain = train_networks(DATA, [TrialRequest(ALL, seed) for seed in (0, 3)], RECIPE)
    (other,) = train_networks(DATA, [TrialRequest(ALL, 1)], OTHER)
    both = train_ensemble(DATA, requests[2], OTHER)
    assert found == [losses(plain[0]), losses(other), losses(both), losses(plain[1])]


def test_an_ensemble_that_diverges_or_cannot_be_built_says_so() -> None:
    wild = replace(RECIPE, learning_rate=1e30)
    found = train_ensemble(DATA, TrialRequest(ALL, 0, variant=Variant(0, 2)), wild)
    assert found.state is TrialState.DIVERGED
    assert found.error
    tiny = Network(ALL.group, size=1e-6)
    found = train_ensemble(DATA, TrialRequest(tiny, 0, variant=Variant(0, 2)), RECIPE)
    assert found.state is TrialState.FAILED
    assert found.error
