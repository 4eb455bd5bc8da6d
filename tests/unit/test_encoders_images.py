"""Encoders of images: costs counted by hand, shapes, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError
from grouping.problems.digits import CONVOLUTIONAL_RECIPE, DIGITS_8
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.cost import NetworkCost, measure_costs
from grouping.training.encoders.convolutional import ConvolutionalEncoder
from grouping.training.encoders.images import ImageEncoder
from grouping.training.methods import build_encoder

H, W, C = 6, 4, 3
N_FEATURES = H * W * C
TASKS = (
    Task.multiclass("class", 5),
    Task.dense_map("depth", H * W),
    Task.dense_map("normals", 2 * H * W),
    Task.dense_map("coarse", 7),
)


def recipe(name: str, hidden: tuple[int, ...], **parameters: Any) -> Recipe:
    return Recipe(hidden, encoder=Method(name, {"height": H, "width": W, "channels": C} | parameters))


def cost(chosen: Recipe) -> NetworkCost:
    (found,) = measure_costs(N_FEATURES, TASKS, [Network.of(*(task.name for task in TASKS))], chosen)
    return found


def features_of(encoder: Encoder, hidden: tuple[int, ...]) -> list[tuple[int, ...]]:
    shapes = []
    features = torch.zeros(2, encoder.n_features)
    for stage in Blueprint(encoder, hidden, ()).stages():
        features = stage(features)
        shapes.append(tuple(features.shape))
    return shapes


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
def test_convolutions_cost_nine_products_per_pixel_and_pair_of_channels(pooling: str) -> None:
    found = cost(recipe("convolutional", (5, 8), pooling=pooling, grid=2))
    half = (H // 2) * (W // 2)
    assert found.encoder_multiply_adds == 9 * C * 5 * H * W + 9 * 5 * 8 * half
    linear, first = 2 * 2 * 8, 9 * 8 * 4 * H * W  # the decoder enlarges before it convolves
    assert found.head_multiply_adds == {
        "class": linear * 5,
        "depth": first + 4 * H * W,
        "normals": first + 2 * 4 * H * W,
        "coarse": linear * 7,
    }


def test_separable_convolutions_cost_nine_products_per_channel_and_one_per_pair() -> None:
    found = cost(recipe("xception", (5, 8), convolutions=2, decoder_steps=1))
    half = (H // 2) * (W // 2)
    block = half * (5 * 8 + (9 * 5 + 5 * 8) + (9 * 8 + 8 * 8))  # shortcut, first and second convolution
    assert found.encoder_multiply_adds == 9 * C * 5 * H * W + block
    assert found.head_multiply_adds["depth"] == H * W * ((9 * 8 + 8 * 4) + 4)


@pytest.mark.parametrize("name", ["convolutional", "xception"])
def test_every_stage_but_the_first_divides_the_resolution_rounded_up(name: str) -> None:
    encoder = build_encoder(recipe(name, (2, 3, 4)), N_FEATURES)
    assert features_of(encoder, (2, 3, 4)) == [(2, 2, 6, 4), (2, 3, 3, 2), (2, 4, 2, 1)]
    same = build_encoder(recipe(name, (2, 3), stride=1), N_FEATURES)
    assert features_of(same, (2, 3)) == [(2, 2, 6, 4), (2, 3, 6, 4)]


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
def test_all_ways_of_lowering_the_resolution_give_the_same_shapes(pooling: str) -> None:
    encoder = build_encoder(recipe("convolutional", (2, 2, 2), pooling=pooling, stride=3), N_FEATURES)
    assert features_of(encoder, (2, 2, 2))[1:] == [(2, 2, 2, 2), (2, 2, 1, 1)]


@pytest.mark.parametrize("name", ["convolutional", "xception"])
@pytest.mark.parametrize("steps", [1, 3])
def test_maps_are_decoded_to_every_pixel_of_the_image_from_any_stage(name: str, steps: int) -> None:
    chosen = recipe(name, (2, 3, 4), decoder_steps=steps)
    blueprint = Blueprint(build_encoder(chosen, N_FEATURES), chosen.hidden, TASKS)
    stages, features = blueprint.stages(), torch.zeros(2, N_FEATURES)
    for stage, width in zip(stages, chosen.hidden, strict=True):
        features = stage(features)
        outputs = [blueprint.head(task, width)(features) for task in TASKS]
        assert [tuple(output.shape) for output in outputs] == [(2, task.n_outputs) for task in TASKS]


def test_a_row_holds_one_channel_after_another_and_each_by_rows_of_pixels() -> None:
    encoder = build_encoder(recipe("convolutional", (1,)), N_FEATURES)
    stage = Blueprint(encoder, (1,), ()).stages()[0]
    assert isinstance(stage, nn.Sequential)
    image = stage[0](torch.arange(float(N_FEATURES))[None])
    assert tuple(image.shape) == (1, C, H, W)
    assert float(image[0, 2, 5, 1]) == 2 * H * W + 5 * W + 1


def test_the_heads_can_tell_where_something_is_if_the_grid_is_finer_than_one_cell() -> None:
    task = Task.regression("place")
    left, right = torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 4)
    left[..., :2], right[..., 2:] = 1.0, 1.0
    for grid, differs in ((1, False), (2, True)):
        encoder = build_encoder(recipe("convolutional", (4,), grid=grid), N_FEATURES)
        head = Blueprint(encoder, (4,), (task,)).head(task)
        assert torch.allclose(head(left), head(right)) is not differs


@pytest.mark.parametrize("name", ["convolutional", "xception"])
def test_activations_keep_their_order_of_magnitude(name: str) -> None:
    widths = (16, 32, 32)
    encoder = build_encoder(recipe(name, widths), N_FEATURES)
    features = torch.randn(64, N_FEATURES, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for stage in Blueprint(encoder, widths, ()).stages():
            features = stage(features)
            assert 0.2 < float(features.square().mean()) < 5


def test_an_image_that_does_not_fill_a_row_is_refused_with_the_numbers() -> None:
    with pytest.raises(InvalidInputError, match=r"has 72 numbers, but a row of the data has 64") as caught:
        build_encoder(recipe("convolutional", (4,)), 64)
    assert caught.value.pointer == "/encoder/parameters"


@pytest.mark.parametrize(
    ("given", "n_features", "size"),
    [
        ({}, 64, (8, 8)),
        ({"channels": 3}, 75, (5, 5)),
        ({"height": 3}, 12, (3, 4)),
        ({"width": 3, "channels": 2}, 24, (4, 3)),
    ],
)
def test_what_is_not_said_of_the_shape_follows_from_the_length_of_a_row(
    given: dict[str, int], n_features: int, size: tuple[int, int]
) -> None:
    encoder = build_encoder(Recipe((4,), encoder=Method("xception", given)), n_features)
    assert isinstance(encoder, ImageEncoder)
    assert encoder.size == size


@pytest.mark.parametrize("given", [{}, {"height": 5}, {"width": 5}, {"channels": 7}])
def test_a_row_that_is_no_such_image_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match="but a row of the data has 8: give the encoder a height"):
        build_encoder(Recipe((4,), encoder=Method("convolutional", given)), 8)


def test_the_recipe_of_convolutions_fits_the_digits() -> None:
    encoder = build_encoder(CONVOLUTIONAL_RECIPE, 64)
    assert isinstance(encoder, ConvolutionalEncoder)
    network = Network.of(*(task.name for task in DIGITS_8.tasks))
    (found,) = measure_costs(64, DIGITS_8.tasks, [network], CONVOLUTIONAL_RECIPE)
    assert found.encoder_multiply_adds == 9 * 12 * 64 + 9 * 12 * 24 * 16
