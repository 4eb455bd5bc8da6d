from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.recipes.encoders import Mlp
from grouping.recipes.sharing import Hard
from grouping.recipes.sharing_from_data import Multilinear
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.loop import Training, train_network
from grouping.training.sharing.hard import HardSharing
from grouping.training.sharing.multilinear import MultilinearSharing, TensorNormalPrior

TASKS = (Task.regression("a"), Task.regression("copy of a"), Task.regression("other"))
RECIPE = Recipe(
    hidden=(8, 6),
    epochs=8,
    batch_size=20,
    learning_rate=0.02,
    sharing=Method("multilinear", {"strength": 0.001}),
)
TOGETHER = Network.of(*(task.name for task in TASKS), size=3.0)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Two tasks with equal targets, and one with another."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 5)).astype(np.float32)
    one = np.tanh(inputs[:, :1] + inputs[:, 1:2]).astype(np.float32)
    other = np.abs(inputs[:, 2:3] - inputs[:, 3:4]).astype(np.float32)
    rows = np.arange(200, dtype=np.int64)
    targets = {"a": one, "copy of a": one, "other": other}
    return TrainingData.from_dataset(Dataset(inputs, targets, rows[:120], rows[120:160], rows[160:]), TASKS)


def blueprint(*tasks: Task) -> Blueprint:
    return Blueprint(MlpEncoder(5, Mlp()), (8, 6), tasks)


def weights(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_with_identities_it_is_the_ordinary_l2_penalty() -> None:
    network = MultilinearSharing(blueprint(*TASKS), Multilinear(strength=0.5))
    squares = [p.detach().square().sum() for p in network.last.parameters() if p.ndim > 1]
    penalty = network.penalty()
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(0.5 * float(torch.stack(squares).sum()), rel=1e-5)
    assert len(squares) == 3


def test_full_shrinkage_keeps_the_identities() -> None:
    prior = TensorNormalPrior((2, 3, 4), 1.0, torch.device("cpu"))
    prior.fit(weights(0, 2, 3, 4))
    assert float(prior(weights(1, 2, 3, 4))) == pytest.approx(float(weights(1, 2, 3, 4).square().sum()))


def test_the_penalty_is_the_quadratic_form_of_the_kronecker_product() -> None:
    prior = TensorNormalPrior((2, 3, 4), 0.2, torch.device("cpu"))
    prior.fit(weights(0, 2, 3, 4))
    covariance = torch.kron(
        prior.task_covariance, torch.kron(prior.out_covariance, prior.in_covariance)
    ).double()
    vector = weights(1, 2, 3, 4).double().flatten()
    expected = vector @ torch.linalg.inv(covariance) @ vector
    assert float(prior(weights(1, 2, 3, 4))) == pytest.approx(float(expected), rel=1e-4)


def test_covariances_stay_symmetric_positive_definite_with_mean_variance_one() -> None:
    prior = TensorNormalPrior((3, 4, 9), 0.1, torch.device("cpu"))
    for epoch in range(30):
        low_rank = weights(epoch, 3, 1, 1) * weights(epoch + 99, 1, 4, 1) * weights(7, 1, 1, 9)
        prior.fit(low_rank * 10.0 ** (epoch % 7 - 3))
        for covariance in (prior.task_covariance, prior.out_covariance, prior.in_covariance):
            assert torch.equal(covariance, covariance.T)
            assert float(torch.linalg.eigvalsh(covariance.double()).min()) > 0.0999
            assert float(covariance.diagonal().mean()) == pytest.approx(1.0, abs=1e-5)


def test_weights_of_zero_and_weights_that_are_not_finite_leave_a_usable_prior() -> None:
    prior = TensorNormalPrior((2, 3, 4), 0.1, torch.device("cpu"))
    prior.fit(torch.zeros(2, 3, 4))
    assert torch.equal(prior.task_covariance, torch.eye(2))
    prior.fit(torch.full((2, 3, 4), math.nan))
    assert torch.equal(prior.task_covariance, torch.eye(2))


def task_covariances(network: MultilinearSharing) -> list[torch.Tensor]:
    """``[T, T]`` per weight matrix of the last stage; positive for tasks with like weights."""
    return [prior.get_buffer("task_covariance") for prior in network.priors]


def test_the_flip_flop_finds_the_covariances_that_the_weights_were_drawn_from() -> None:
    task = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    drawn = torch.einsum("st,toi->soi", torch.linalg.cholesky(task), weights(0, 3, 40, 50))
    prior = TensorNormalPrior((3, 40, 50), 0.01, torch.device("cpu"))
    for _ in range(3):
        prior.fit(drawn)
    torch.testing.assert_close(prior.task_covariance, task, atol=0.08, rtol=0.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_tasks_with_equal_targets_get_a_positive_covariance(data: TrainingData, seed: int) -> None:
    training = Training(data, TrialRequest(TOGETHER, seed), RECIPE)
    while not training.is_finished:
        training.run_epoch()
    assert isinstance(training.network, MultilinearSharing)
    (covariance,) = task_covariances(training.network)
    assert covariance[0, 1] > 0.5


def test_tasks_that_start_alike_with_equal_targets_get_the_largest_covariance(data: TrainingData) -> None:
    training = Training(data, TrialRequest(TOGETHER, 0), RECIPE)
    network = training.network
    network.heads[1].load_state_dict(network.heads[0].state_dict())
    while not training.is_finished:
        training.run_epoch()
    assert isinstance(network, MultilinearSharing)
    (covariance,) = task_covariances(network)
    variances = covariance.diagonal()
    correlation = covariance / (variances[:, None] * variances[None, :]).sqrt()
    assert float(correlation[0, 1]) > 0.85
    assert correlation[0, 1] > max(correlation[0, 2], correlation[1, 2]) + 0.05


def test_a_strong_prior_draws_weights_towards_zero(data: TrainingData) -> None:
    def size(strength: float) -> float:
        sharing = Method("multilinear", {"strength": strength})
        training = Training(data, TrialRequest(TOGETHER, 0), replace(RECIPE, sharing=sharing))
        while not training.is_finished:
            training.run_epoch()
        assert isinstance(training.network, MultilinearSharing)
        return sum(float(p.detach().square().sum()) for p in training.network.last.parameters())

    assert size(1.0) < 0.5 * size(0.0)


def test_without_strength_it_is_a_last_stage_per_task(data: TrainingData) -> None:
    network = MultilinearSharing(blueprint(*TASKS), Multilinear(strength=0.0))
    assert network.penalty() is None
    inputs = data.train.inputs
    for own, wanted in zip(network(inputs), HardSharing(blueprint(*TASKS), Hard())(inputs), strict=True):
        assert torch.equal(own, wanted), "all last stages start alike"
    with torch.no_grad():
        next(network.last[1].parameters()).add_(0.1)
    changed = [
        not torch.equal(a, b)
        for a, b in zip(network(inputs), HardSharing(blueprint(*TASKS), Hard())(inputs), strict=True)
    ]
    assert changed == [False, True, False]


def test_the_covariances_are_part_of_the_state(data: TrainingData) -> None:
    first = Training(data, TrialRequest(TOGETHER, 0), RECIPE)
    for _ in range(3):
        first.run_epoch()
    second = Training(data, TrialRequest(TOGETHER, 0), RECIPE)
    second.load_state_dict(first.state_dict())
    assert isinstance(first.network, MultilinearSharing)
    assert isinstance(second.network, MultilinearSharing)
    pairs = zip(task_covariances(first.network), task_covariances(second.network), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    for training in (first, second):
        while not training.is_finished:
            training.run_epoch()
    assert first.evaluate() == second.evaluate()


def test_a_training_that_explodes_is_a_result(data: TrainingData) -> None:
    outcome = train_network(data, TrialRequest(TOGETHER, 0), replace(RECIPE, learning_rate=1e30))
    assert outcome.state is TrialState.DIVERGED


def test_it_costs_the_shared_stages_once_and_the_last_one_per_task(data: TrainingData) -> None:
    together, alone = measure_costs(5, TASKS, [TOGETHER, Network.of("a")], RECIPE)
    first, last = together.widths
    assert together.encoder_multiply_adds == 5 * first + 3 * first * last
    assert alone.cost_snt == 1.0
