from __future__ import annotations

import pytest

from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialRequest
from grouping.problems.problem import Problem
from grouping.problems.registry import BUILT_IN
from grouping.training.data import TrainingData
from grouping.training.loop import train_network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("problem", BUILT_IN, ids=lambda problem: problem.name)
def test_a_network_of_all_tasks_beats_the_constant_prediction_on_each(problem: Problem) -> None:
    data = TrainingData.from_dataset(problem.load(), problem.tasks)
    network = Network.of(*(task.name for task in problem.tasks))
    fidelity = max(0.4, 4 / problem.recipe.epochs)
    outcome = train_network(data, TrialRequest(network, seed=0, fidelity=fidelity), problem.recipe)
    assert [score.task for score in outcome.scores] == [task.name for task in problem.tasks]
    assert all(score.validation_loss < 0.95 for score in outcome.scores)
    assert all(score.test_loss is not None and score.test_loss < 0.95 for score in outcome.scores)


@pytest.mark.parametrize("problem", BUILT_IN, ids=lambda problem: problem.name)
def test_data_made_again_trains_to_the_same_floats(problem: Problem) -> None:
    request = TrialRequest(Network.of(problem.tasks[0].name, problem.tasks[1].name), seed=0, fidelity=0.05)
    first, again = (
        train_network(TrainingData.from_dataset(problem.load(), problem.tasks), request, problem.recipe)
        for _ in range(2)
    )
    assert first.scores == again.scores
