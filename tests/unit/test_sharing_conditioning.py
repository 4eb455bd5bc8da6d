from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.training.data import TrainingData
from grouping.training.loop import Training
from grouping.training.sharing.conditioning import ConcatConditioning, Conditioning
from tests.contracts.sharing import ENCODERS, inputs_of, multiply_adds, network_of
from tests.unit.test_training_loop import TASKS, make_dataset

BASE = Recipe(hidden=(8, 6), epochs=3, batch_size=30, learning_rate=0.02)
PAIR = Network.of("class", "map", size=2)
WAYS = ("conditioning-concat", "conditioning-add", "conditioning-multiply")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


def told(way: str, **parameters: Any) -> Recipe:
    return replace(BASE, sharing=Method(way, parameters))


def network_with(way: str, encoder: str, *, is_generic: bool = True, **parameters: Any) -> Conditioning:
    network = network_of(told(way, **parameters), encoder, TASKS, is_generic=is_generic)
    assert isinstance(network, Conditioning)
    return network


def run(stages: nn.ModuleList, inputs: Tensor) -> Tensor:
    for stage in stages:
        inputs = stage(inputs)
    return inputs


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("way", ["conditioning-add", "conditioning-multiply"])
def test_sums_and_products_start_as_hard_sharing(way: str, at: int, encoder: str) -> None:
    inputs = inputs_of(encoder, 4)
    hard = network_of(replace(BASE, sharing=Method("hard")), encoder, TASKS)
    network = network_with(way, encoder, is_generic=False, at=at)
    for own, expected in zip(network(inputs), hard(inputs), strict=True):
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("way", WAYS)
def test_tasks_of_equal_vectors_see_equal_features_and_others_do_not(way: str, at: int, encoder: str) -> None:
    network = network_with(way, encoder, at=at)
    with torch.no_grad():
        network.vectors[2].copy_(network.vectors[0])
    first, second, third, _ = network.features(inputs_of(encoder, 4))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


def channels_last(features: Tensor) -> Tensor:
    return features.movedim(1, -1) if features.ndim == 4 else features


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_vector_meets_every_position_but_padding(encoder: str) -> None:
    inputs = inputs_of(encoder, 4)
    add, multiply = (network_with(way, encoder, at=1) for way in WAYS[1:])
    for task in range(4):
        before, after = (channels_last(f) for f in (run(add.stages, inputs), add.features(inputs)[task]))
        is_padding = (before == 0).all(dim=-1) if before.ndim == 3 else torch.zeros(before.shape[:-1]).bool()
        torch.testing.assert_close(after[~is_padding], (before + add.vectors[task])[~is_padding])
        assert not bool(after[is_padding].any())
        before, after = (
            channels_last(f) for f in (run(multiply.stages, inputs), multiply.features(inputs)[task])
        )
        torch.testing.assert_close(after, before * multiply.vectors[task])


def test_concatenation_is_a_linear_map_of_features_and_vector_side_by_side() -> None:
    network = network_with("conditioning-concat", "mlp", at=1, size=3)
    assert isinstance(network, ConcatConditioning)
    left, right = network.from_features, network.from_vector
    assert isinstance(left, nn.Linear)
    assert isinstance(right, nn.Linear)
    inputs = inputs_of("mlp", 5)
    shared = run(network.stages, inputs)
    for vector, features in zip(network.vectors, network.features(inputs), strict=True):
        beside = torch.cat((shared, vector.expand(5, 3)), dim=1)
        matrix = torch.cat((left.weight, right.weight), dim=1)
        torch.testing.assert_close(features, beside @ matrix.T + left.bias + right.bias)


@pytest.mark.parametrize("way", WAYS)
def test_a_task_has_one_vector_that_only_its_own_loss_moves(way: str, data: TrainingData) -> None:
    training = Training(data, TrialRequest(PAIR, 0), told(way))
    network = training.network
    assert isinstance(network, Conditioning)
    first, second = network(data.train.inputs)
    vectors = list(network.vectors)
    for own, output in enumerate((first, second)):
        gradients = torch.autograd.grad(output.sum(), vectors, retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.any()) for g in gradients] == [own == 0, own == 1]
    start = [vector.detach().clone() for vector in vectors]
    training.run_epoch()
    assert not any(torch.equal(a, b.detach()) for a, b in zip(start, vectors, strict=True))
    assert not any(name.startswith(("vectors", "heads")) for name in network.shared_parameters())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", [0, 1])
def test_vectors_belong_to_the_depth_of_their_stage(way: str, at: int) -> None:
    network = network_with(way, "mlp", at=at)
    depths = [{id(p) for p in depth} for depth in network.depths()]
    assert {id(vector) for vector in network.vectors} < depths[at]


def test_a_task_starts_from_the_same_vector_in_every_group() -> None:
    recipe = told("conditioning-concat")
    two, four = (network_of(recipe, "mlp", TASKS[:n]) for n in (2, 4))
    assert isinstance(two, Conditioning)
    assert isinstance(four, Conditioning)
    assert torch.equal(two.vectors[1], four.vectors[1])
    assert not torch.equal(four.vectors[0], four.vectors[1])


@pytest.mark.parametrize("at", [0, 1])
def test_stages_above_the_vector_cost_once_per_task(at: int) -> None:
    below, above = (6 * 6, 6 * 4) if at == 0 else (6 * 6 + 6 * 4, 0)  # widths 6 and 4
    width = (6, 4)[at]
    for n in (2, 3, 4):
        for way in WAYS[1:]:
            assert multiply_adds(told(way, at=at), "mlp", TASKS[:n]) == below + n * above
        mapping = width * width + n * 5 * width
        found = multiply_adds(told("conditioning-concat", at=at, size=5), "mlp", TASKS[:n])
        assert found == below + mapping + n * above


@pytest.mark.parametrize("way", WAYS)
def test_a_task_alone_is_told_nothing(way: str) -> None:
    alone = network_of(told(way), "mlp", TASKS[:1])
    hard = network_of(replace(BASE, sharing=Method("hard")), "mlp", TASKS[:1])
    inputs = inputs_of("mlp", 5)
    assert torch.equal(alone(inputs)[0], hard(inputs)[0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("network", [PAIR, Network.of("sum")], ids=str)
def test_a_stage_beyond_the_encoder_is_refused(way: str, network: Network, data: TrainingData) -> None:
    with pytest.raises(InvalidInputError, match="at most 1") as caught:
        Training(data, TrialRequest(network, 0), told(way, at=2))
    assert caught.value.pointer == "/sharing/parameters/at"
