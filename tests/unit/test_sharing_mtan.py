from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from grouping.domain.trainings.recipes import Method, Recipe
from grouping.training.sharing.mtan import MtanSharing
from grouping.training.sharing.shapes import channel_dim
from tests.contracts.sharing import ENCODERS, inputs_of, multiply_adds, network_of
from tests.unit.test_training_loop import TASKS

BASE = Recipe(hidden=(6, 4))


def mtan(reduction: int) -> Recipe:
    return replace(BASE, sharing=Method("mtan", {"reduction": reduction}))


def network_with(encoder: str, n_tasks: int = 3) -> MtanSharing:
    network = network_of(mtan(1), encoder, TASKS[:n_tasks], is_generic=True)
    assert isinstance(network, MtanSharing)
    return network


def shared_features(network: MtanSharing, inputs: Tensor) -> list[Tensor]:
    """Of each stage of the encoder."""
    found = []
    for stage in network.stages:
        inputs = stage(inputs)
        found.append(inputs)
    return found


class Constant(nn.Module):
    """Takes the place of an attention module: the same logit for every channel of its stage."""

    def __init__(self, logit: float, width: int) -> None:
        super().__init__()
        self.logit, self.width = logit, width

    def forward(self, features: Tensor) -> Tensor:
        return torch.full_like(features.narrow(channel_dim(features), 0, self.width), self.logit)


def set_logits(network: MtanSharing, encoder: str, stage: int, task: int, logit: float) -> None:
    cast(nn.ModuleList, network.attention[stage])[task] = Constant(logit, ENCODERS[encoder][2][stage])


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("logit", "mask"), [(40.0, 1.0), (0.0, 0.5), (-200.0, 0.0)])
def test_masks_of_one_value_scale_what_hard_sharing_gives(encoder: str, logit: float, mask: float) -> None:
    network = network_with(encoder)
    for stage in range(2):
        for task in range(3):
            set_logits(network, encoder, stage, task, logit)
    inputs = inputs_of(encoder, 4)
    for features in network.features(inputs):
        torch.testing.assert_close(features, mask * shared_features(network, inputs)[-1])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_task_has_a_mask_of_its_own_between_zero_and_one(encoder: str) -> None:
    network = network_with(encoder)
    inputs = inputs_of(encoder, 4)
    shared = shared_features(network, inputs)[-1]
    present = shared != 0
    masks = [features[present] / shared[present] for features in network.features(inputs)]
    for mask in masks:
        assert bool(((mask > 0) & (mask < 1)).all())
        assert float(mask.detach().std()) > 0
    assert not torch.equal(masks[0], masks[1])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_mask_depends_on_what_its_own_task_saw_below_and_on_no_other(encoder: str) -> None:
    network = network_with(encoder)
    inputs = inputs_of(encoder, 4)
    before = network.features(inputs)
    set_logits(network, encoder, 0, 1, 40.0)
    after = network.features(inputs)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert torch.equal(before[2], after[2])


def test_the_shared_features_are_those_of_hard_sharing() -> None:
    network = network_of(mtan(4), "mlp", TASKS)
    hard = network_of(replace(BASE, sharing=Method("hard")), "mlp", TASKS)
    assert isinstance(network, MtanSharing)
    inputs = inputs_of("mlp", 5)
    assert torch.equal(shared_features(network, inputs)[-1], hard.features(inputs)[0])


def test_a_task_alone_is_the_encoder_itself() -> None:
    alone = network_of(mtan(4), "mlp", TASKS[:1])
    hard = network_of(replace(BASE, sharing=Method("hard")), "mlp", TASKS[:1])
    inputs = inputs_of("mlp", 5)
    assert torch.equal(alone(inputs)[0], hard(inputs)[0])


def test_attention_starts_from_weights_of_its_task_whatever_the_group() -> None:
    def start(n_tasks: int) -> list[Tensor]:
        network = network_of(mtan(1), "mlp", TASKS[:n_tasks])
        assert isinstance(network, MtanSharing)
        layers = [
            cast(nn.Sequential, attention)[0] for attention in cast(nn.ModuleList, network.attention[1])
        ]
        return [cast(Tensor, layer.weight) for layer in layers]

    two, four = start(2), start(4)
    assert torch.equal(two[0], four[0])
    assert torch.equal(two[1], four[1])
    assert not torch.equal(four[0], four[1])


def test_attention_belongs_to_its_task_and_its_stage() -> None:
    network = network_with("mlp")
    assert {name.split(".")[0] for name in network.shared_parameters()} == {"stages"}
    lower, upper, heads = ({id(p) for p in depth} for depth in network.depths())
    assert {id(p) for p in network.attention[0].parameters()} < lower
    assert {id(p) for p in network.attention[1].parameters()} < upper
    assert heads == {id(p) for p in network.heads.parameters()}


@pytest.mark.parametrize(("reduction", "narrow"), [(1, (6, 4)), (2, (3, 2)), (4, (1, 1)), (64, (1, 1))])
def test_the_cost_grows_with_the_tasks_and_falls_with_the_reduction(
    reduction: int, narrow: tuple[int, int]
) -> None:
    plain = multiply_adds(BASE, "mlp", TASKS)  # widths 6 and 4
    per_task = (6 * narrow[0] + narrow[0] * 6) + ((4 + 6) * narrow[1] + narrow[1] * 4)
    for n_tasks in (2, 4):
        assert multiply_adds(mtan(reduction), "mlp", TASKS[:n_tasks]) == plain + n_tasks * per_task
