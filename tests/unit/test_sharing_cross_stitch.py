from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.cost import network_widths
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_encoder
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.cross_stitch import CrossStitchSharing, mix, shares
from tests.contracts.sharing import inputs_of, multiply_adds, network_of
from tests.unit.test_training_loop import TASKS, make_dataset

BASE = Recipe(hidden=(6, 4), epochs=3, batch_size=30, learning_rate=0.02, weight_decay=0.1)
PAIR = Network.of("class", "map", size=3)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


def stitched(own_share: float) -> Recipe:
    return replace(BASE, sharing=Method("cross-stitch", {"own_share": own_share}))


def set_units(network: MultiTaskNetwork, values: torch.Tensor) -> None:
    assert isinstance(network, CrossStitchSharing)
    with torch.no_grad():
        for unit in network.units:
            unit.copy_(values)


def test_with_identities_that_stay_tasks_train_exactly_as_alone(data: TrainingData) -> None:
    recipe = stitched(1.0)
    together = Training(data, TrialRequest(PAIR, 5), recipe)
    for name, parameter in together.network.named_parameters():
        parameter.requires_grad_(not name.startswith("units."))
    while not together.is_finished:
        together.run_epoch()
    tasks = data.tasks_of(PAIR.group)
    widths = network_widths(recipe, build_encoder(recipe, data.n_features), tasks, PAIR.size)
    for score in together.evaluate().scores():
        alone = train_network(data, TrialRequest(Network.of(score.task), 5), replace(recipe, hidden=widths))
        assert alone.scores == (score,)


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "transformer"])
def test_with_identities_a_task_does_not_see_the_weights_of_another(encoder: str) -> None:
    network = network_of(stitched(1.0), encoder, TASKS, is_generic=True)
    set_units(network, torch.eye(4))
    inputs = inputs_of(encoder, 3)
    before = network.features(inputs)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("stages.") and name.split(".")[2] == "0":  # the copies of the first task
                parameter.mul_(1.5)
    first, *others = network.features(inputs)
    assert not torch.equal(first, before[0])
    assert all(torch.equal(one, other) for one, other in zip(before[1:], others, strict=True))


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "transformer"])
def test_with_equal_rows_all_tasks_see_the_same_features(encoder: str) -> None:
    network = network_of(stitched(0.5), encoder, TASKS, is_generic=True)
    set_units(network, torch.tensor([0.1, 0.4, 0.2, 0.3]).repeat(4, 1))
    first, *others = network.features(inputs_of(encoder, 3))
    assert all(torch.equal(first, other) for other in others)
    set_units(network, shares(4, 0.7))
    first, *others = network.features(inputs_of(encoder, 3))
    assert not any(torch.equal(first, other) for other in others)


def test_a_permutation_hands_every_task_the_features_of_another() -> None:
    network = network_of(stitched(1.0), "mlp", TASKS[:2], is_generic=True)
    assert isinstance(network, CrossStitchSharing)
    with torch.no_grad():
        network.units[0].copy_(torch.eye(2))
        network.units[1].copy_(torch.eye(2))
        straight = network.features(inputs_of("mlp", 3))
        network.units[1].copy_(torch.eye(2).flip(0))
        crossed = network.features(inputs_of("mlp", 3))
    assert torch.equal(crossed[0], straight[1])
    assert torch.equal(crossed[1], straight[0])


@given(n=st.integers(1, 6), own=st.floats(0, 1))
def test_shares_sum_to_one_with_the_own_share_on_the_diagonal(n: int, own: float) -> None:
    matrix = shares(n, own)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(n))
    assert bool((matrix >= 0).all())
    torch.testing.assert_close(matrix.diagonal(), torch.full((n,), own if n > 1 else 1.0))
    assert torch.equal(matrix, matrix.T)


def test_mixing_is_a_linear_combination_for_features_of_any_shape() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, 3, generator=generator)
    for shape in ((4, 5), (4, 3, 5), (4, 5, 2, 2)):
        features = [torch.randn(shape, generator=generator) for _ in range(3)]
        for row, mixed in zip(matrix, mix(features, matrix), strict=True):
            expected = sum(share * own for share, own in zip(row, features, strict=True))
            torch.testing.assert_close(mixed, expected)


def test_units_are_learnt(data: TrainingData) -> None:
    training = Training(data, TrialRequest(PAIR, 0), stitched(0.9))
    network = training.network
    assert isinstance(network, CrossStitchSharing)
    assert torch.equal(network.units[0].detach(), shares(2, 0.9))
    training.run_epoch()
    assert all(not torch.equal(unit.detach(), shares(2, 0.9)) for unit in network.units)
    lower, upper, heads = network.depths()
    assert any(network.units[0] is parameter for parameter in lower)
    assert any(network.units[1] is parameter for parameter in upper)
    assert {id(p) for p in heads} == {id(p) for p in network.heads.parameters()}


def test_a_network_costs_an_encoder_per_task_and_the_mixing() -> None:
    plain = multiply_adds(BASE, "mlp", TASKS)
    assert plain == 6 * 6 + 6 * 4
    for n in (2, 3, 4):
        assert multiply_adds(stitched(0.9), "mlp", TASKS[:n]) == n * plain + n * n * (6 + 4)
    maps = multiply_adds(BASE, "convolutional", TASKS)  # 3 channels of 4 x 4, then 4 of 2 x 2
    assert multiply_adds(stitched(0.9), "convolutional", TASKS[:2]) == 2 * maps + 4 * (3 * 16 + 4 * 4)


def test_a_task_alone_has_nothing_to_mix() -> None:
    alone = network_of(stitched(0.5), "mlp", TASKS[:1])
    hard = network_of(replace(BASE, sharing=Method("hard")), "mlp", TASKS[:1])
    inputs = inputs_of("mlp", 5)
    assert torch.equal(alone(inputs)[0], hard(inputs)[0])
    assert sum(p.numel() for p in alone.parameters()) == sum(p.numel() for p in hard.parameters())
