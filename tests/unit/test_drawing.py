"""Recipes drawn to be tuned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.recipes.drawing import draw_recipes, widths_of_depth
from grouping.training.cost import measure_costs

RECIPE = Recipe(hidden=(21, 21), epochs=40)
TASKS = (Task.binary("a"), Task.binary("b"))


def test_the_own_recipe_comes_first_and_what_is_varied_varies() -> None:
    drawn = draw_recipes(RECIPE, 60, 3, 9, (Method("equal"), Method("uncertainty")))
    assert drawn[0] == RECIPE
    assert len(drawn) == 60
    assert drawn == draw_recipes(RECIPE, 60, 3, 9, (Method("equal"), Method("uncertainty")))
    assert drawn != draw_recipes(RECIPE, 60, 4, 9, (Method("equal"), Method("uncertainty")))
    assert {len(one.hidden) for one in drawn} == {1, 2, 3}
    assert {one.epochs for one in drawn} == {10, 20, 40, 80}
    assert {one.weighting.name for one in drawn} == {"equal", "uncertainty"}
    rates = [one.learning_rate / RECIPE.learning_rate for one in drawn]
    assert 0.1 <= min(rates) < 0.3
    assert 3 < max(rates) <= 10
    decays = [one.weight_decay for one in drawn[1:]]
    assert min(decays) == 0
    assert max(decays) > 0.1


def test_epochs_are_known_before_the_data_are() -> None:
    epochs = [one.epochs for one in draw_recipes(RECIPE, 30, 3, 9, (Method("uncertainty"),))]
    assert epochs == [one.epochs for one in draw_recipes(RECIPE, 30, 3, 1)]


@pytest.mark.parametrize("hidden", [(21, 21), (64,), (5, 40, 3)])
@pytest.mark.parametrize("n_features", [1, 9, 300])
def test_every_depth_costs_as_much_and_never_more(hidden: tuple[int, ...], n_features: int) -> None:
    network = [Network.of("a", "b"), Network.of("a", size=2.0)]
    own = measure_costs(n_features, TASKS, network, Recipe(hidden=hidden))
    for depth in (1, 2, 3):
        widths = widths_of_depth(hidden, depth, n_features)
        assert len(widths) == depth
        costs = measure_costs(n_features, TASKS, network, Recipe(hidden=widths))
        for cost, other in zip(own, costs, strict=True):
            assert other.encoder_multiply_adds <= network[own.index(cost)].size * own[0].encoder_multiply_adds
        wider = measure_costs(n_features, TASKS, network[:1], Recipe(hidden=(widths[0] + 1,) * depth))
        assert depth == len(hidden) or wider[0].encoder_multiply_adds > own[0].encoder_multiply_adds


def test_only_what_the_encoder_has_is_varied() -> None:
    images = replace(RECIPE, encoder=Method("convolutional", {}))
    assert {one.hidden for one in draw_recipes(images, 20, 0, 64)} == {RECIPE.hidden}
    texts = replace(RECIPE, encoder=Method("transformer", {"dropout": 0.3, "heads": 2}))
    drawn = draw_recipes(texts, 40, 0, 64)
    assert {one.encoder.parameters["dropout"] for one in drawn} == {0.0, 0.1, 0.3, 0.5}
    assert {one.encoder.parameters["heads"] for one in drawn} == {2}
