from __future__ import annotations

import pytest
import torch

from grouping.domain.tasks import Task
from grouping.recipes.encoders import Mlp
from grouping.recipes.sharing import Hard
from grouping.training.blueprint import Blueprint
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.initialisation import generator_for
from grouping.training.sharing.hard import HardSharing

A, B, C = Task.regression("a"), Task.multiclass("b", 3), Task.dense_map("c.d", 5)


def hard(n_features: int, widths: tuple[int, ...], tasks: tuple[Task, ...], seed: int) -> HardSharing:
    return HardSharing(Blueprint(MlpEncoder(n_features, Mlp()), widths, tasks, seed), Hard())


def weights(network: HardSharing, task: Task) -> torch.Tensor:
    head = network.heads[network.task_names.index(task.name)]
    assert isinstance(head, torch.nn.Linear)
    return head.weight


def test_networks_of_one_seed_start_from_the_same_encoder_whatever_their_group() -> None:
    alone, together = hard(7, (6, 4), (A,), 3), hard(7, (6, 4), (A, B, C), 3)
    for one, other in zip(alone.stages.parameters(), together.stages.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_head_starts_from_the_same_weights_in_every_group() -> None:
    one, other = hard(7, (6, 4), (A, C), 3), hard(7, (6, 4), (A, B, C), 3)
    assert torch.equal(weights(one, C), weights(other, C))
    assert torch.equal(weights(one, A), weights(other, A))


def test_another_seed_another_start() -> None:
    one, other = hard(7, (6, 4), (A,), 3), hard(7, (6, 4), (A,), 4)
    assert not torch.equal(weights(one, A), weights(other, A))
    assert not torch.equal(next(one.stages.parameters()), next(other.stages.parameters()))


def test_tasks_of_the_same_shape_start_from_different_heads() -> None:
    network = hard(7, (6, 4), (A, Task.regression("a2")), 3)
    assert not torch.equal(weights(network, A), weights(network, Task.regression("a2")))


def test_every_head_gives_its_outputs_for_every_row() -> None:
    outputs = hard(7, (6, 4), (A, B, C), 0)(torch.zeros(2, 7))
    assert [tuple(output.shape) for output in outputs] == [(2, 1), (2, 3), (2, 5)]


def test_building_a_network_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    hard(7, (6, 4), (A, B), 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_activations_keep_their_scale_through_the_encoder() -> None:
    network = hard(256, (256, 256, 256), (A,), 0)
    inputs = torch.randn(512, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert float(network.features(inputs)[0].square().mean()) == pytest.approx(1.0, rel=0.3)


def test_a_generator_depends_on_all_of_its_parts_and_their_borders() -> None:
    def draw(*parts: str | int) -> float:
        return torch.rand((), generator=generator_for(*parts)).item()

    assert draw("head", 1, "a") == draw("head", 1, "a")
    assert len({draw("head", 1, "a"), draw("head", 2, "a"), draw("head", 1, "b"), draw("head", "1a")}) == 4
