from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.sharing.soft import SoftSharing
from tests.contracts.sharing import inputs_of, multiply_adds, network_of
from tests.unit.test_training_loop import TASKS, make_dataset

BASE = Recipe(hidden=(6, 4), epochs=4, batch_size=30, learning_rate=0.02, weight_decay=0.01)
NAMES = ("class", "sign", "map")
FULL = Network.of(*NAMES, size=3)  # three encoders of full width


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


def soft(strength: float, **changes: object) -> Recipe:
    recipe = replace(BASE, sharing=Method("soft", {"strength": strength}))
    return replace(recipe, **changes)  # type: ignore[arg-type]


def trained(data: TrainingData, recipe: Recipe, network: Network = FULL) -> SoftSharing:
    training = Training(data, TrialRequest(network, 0), recipe)
    while not training.is_finished:
        training.run_epoch()
    assert isinstance(training.network, SoftSharing)
    return training.network


def copies_of(network: SoftSharing) -> list[list[nn.Module]]:
    """For each stage, the copies of the tasks."""
    return [list(cast(nn.ModuleList, copies)) for copies in network.stages]


def encoder_of(network: SoftSharing, task: int) -> Tensor:
    """All weights of the encoder of a task."""
    weights = [p.detach().flatten() for copies in copies_of(network) for p in copies[task].parameters()]
    return torch.cat(weights)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_at_strength_zero_tasks_score_exactly_what_they_score_alone(
    data: TrainingData, optimiser: str
) -> None:
    recipe = soft(0.0, optimiser=Method(optimiser))
    together = train_network(data, TrialRequest(FULL, 5), recipe)
    for score in together.scores:
        for sharing in ("soft", "hard"):
            recipe = replace(recipe, sharing=Method(sharing))
            alone = train_network(data, TrialRequest(Network.of(score.task), 5), recipe)
            assert alone.scores == (score,)


def test_a_task_alone_is_not_penalised(data: TrainingData) -> None:
    alone = Network.of("sign")
    weak, strong = (train_network(data, TrialRequest(alone, 0), soft(strength)) for strength in (0.0, 100.0))
    assert weak.scores == strong.scores


@pytest.mark.parametrize(
    ("recipe", "strengths"),
    [
        (replace(BASE, optimiser=Method("sgd", {"momentum": 0.0}), learning_rate=0.05), (0.0, 0.1, 1.0, 5.0)),
        (BASE, (0.0, 0.01, 1.0, 100.0)),
    ],
    ids=["sgd", "adamw"],
)
def test_encoders_are_the_nearer_the_larger_the_strength(
    data: TrainingData, recipe: Recipe, strengths: tuple[float, ...]
) -> None:
    distances, differences = [], []
    for strength in strengths:
        network = trained(data, replace(recipe, sharing=Method("soft", {"strength": strength})))
        distances.append(float(network.squared_distance().detach()))
        with torch.no_grad():
            features = network.features(data.validation.inputs[:])
        differences.append(float(torch.stack(features).std(dim=0).mean()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.02 * distances[0]
    assert differences[-1] < 0.15 * differences[0]


def test_in_the_limit_the_mean_encoder_is_that_of_hard_sharing(data: TrainingData) -> None:
    # The penalty moves no mean, and each encoder has a third of the pull of all three losses.
    plain = {"learning_rate": 0.03, "optimiser": Method("sgd", {"momentum": 0.0}), "weight_decay": 0.0}
    network = trained(data, soft(8.0, **plain))
    encoders = torch.stack([encoder_of(network, task) for task in range(3)])
    training = Training(data, TrialRequest(Network.of(*NAMES), 0), replace(BASE, **plain))  # type: ignore[arg-type]
    stages = list(training.network.shared_parameters().values())
    start = torch.cat([p.detach().flatten() for p in stages])
    for parameter in stages:
        parameter.register_hook(lambda gradient: gradient / 3)  # type: ignore[no-untyped-call]
    while not training.is_finished:
        training.run_epoch()
    hard = torch.cat([p.detach().flatten() for p in stages])
    moved = float((hard - start).norm())
    assert float((encoders.mean(dim=0) - hard).norm()) < 0.05 * moved
    assert float((encoders - hard).norm(dim=1).max()) < 0.25 * moved


def test_the_squared_distance_is_the_sum_over_all_pairs() -> None:
    network = network_of(soft(3.0), "mlp", TASKS, is_generic=True)
    assert isinstance(network, SoftSharing)
    encoders = [encoder_of(network, task) for task in range(4)]
    pairs = sum(float((a - b).square().sum()) for i, a in enumerate(encoders) for b in encoders[:i])
    with torch.no_grad():
        penalty = network.penalty()
    assert penalty is not None
    assert float(penalty) == pytest.approx(3.0 * pairs, rel=1e-5)


def test_the_penalty_pulls_encoders_together_and_leaves_their_mean() -> None:
    network = network_of(soft(1.0), "convolutional", TASKS, is_generic=True)
    assert isinstance(network, SoftSharing)
    for copies in copies_of(network):
        for same in zip(*(stage.parameters() for stage in copies), strict=True):
            penalty = network.penalty()
            assert penalty is not None
            pulls = torch.autograd.grad(penalty, same)
            torch.testing.assert_close(sum(pulls), torch.zeros_like(same[0]), rtol=0, atol=1e-4)
            for pull, own in zip(pulls, same, strict=True):
                torch.testing.assert_close(pull, 2 * sum(own - other for other in same))


def test_all_encoders_start_from_the_same_weights() -> None:
    network = network_of(soft(1.0), "mlp", TASKS)
    assert isinstance(network, SoftSharing)
    assert network.squared_distance().item() == 0.0
    first, *others = network.features(inputs_of("mlp", 7))
    assert all(torch.equal(first, other) for other in others)


def test_no_parameter_is_shared() -> None:
    network = network_of(soft(1.0), "mlp", TASKS)
    assert not network.shared_parameters()


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "transformer"])
def test_every_task_costs_an_encoder(encoder: str) -> None:
    plain = multiply_adds(BASE, encoder, TASKS)
    assert [multiply_adds(soft(1.0), encoder, TASKS[:n]) for n in (1, 2, 4)] == [plain, 2 * plain, 4 * plain]
