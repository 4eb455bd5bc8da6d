from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import asdict

import pytest

from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.recipes import complete, get_declaration, list_methods, list_unavailable
from grouping.recipes.registry import BUILT_IN

EVERY = [pytest.param(part, method, id=f"{part}-{method.name}") for part in Part for method in BUILT_IN[part]]


@pytest.mark.parametrize(("part", "method"), EVERY)
def test_every_method_names_an_implementation_that_is_there(part: Part, method: type) -> None:
    module, _, attribute = method.implementation.partition(":")  # type: ignore[attr-defined]
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("part", Part)
def test_names_are_unique_and_every_method_says_what_it_does(part: Part) -> None:
    infos = list_methods(part)
    assert len({info.name for info in infos}) == len(infos)
    assert all(info.title and info.description.endswith(".") for info in infos)
    for info in infos:
        for name, schema in info.parameters["properties"].items():
            assert "description" in schema, f"{info.name} does not describe {name}"


@pytest.mark.parametrize("part", Part)
def test_every_method_can_be_chosen_by_its_name_alone(part: Part) -> None:
    for info in list_methods(part):
        assert get_declaration(part, Method(info.name)).name == info.name


@pytest.mark.parametrize(("part", "method"), EVERY)
def test_every_built_in_method_can_be_chosen_or_says_what_to_install(part: Part, method: type) -> None:
    lacking = {broken.name: broken.reason for broken in list_unavailable(part)}
    name = method.name  # type: ignore[attr-defined]
    assert (name in lacking) != (name in [info.name for info in list_methods(part)])
    assert f"install mtl-grouping[{name}]" in lacking.get(name, f"install mtl-grouping[{name}]")


def test_the_first_method_of_every_part_is_the_default() -> None:
    for part in Part:
        assert list_methods(part)[0].name == Recipe().method(part).name


def test_a_recipe_is_completed_with_the_defaults_of_its_methods() -> None:
    recipe = complete(Recipe(optimiser=Method("sgd")))
    assert recipe.optimiser.parameters == {"momentum": 0.9}
    assert complete(recipe) == recipe


def test_a_recipe_survives_its_json_form() -> None:
    recipe = complete(Recipe(hidden=(5, 4), optimiser=Method("sgd", {"momentum": 0.5})))
    assert Recipe.from_mapping(asdict(recipe)) == recipe


def test_a_recipe_written_before_there_were_methods_has_the_first_ones() -> None:
    old = {"hidden": [4], "epochs": 3, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0}
    assert Recipe.from_mapping(old) == Recipe((4,), 3, 8, 0.1, 0.0)


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="sgd") as refused:
        complete(Recipe(optimiser=Method("sdg")))
    assert refused.value.pointer == "/optimiser/name"


@pytest.mark.parametrize(("value", "says"), [(1.5, "less than 1"), ("much", "number")])
def test_a_parameter_out_of_bounds_is_refused_where_it_stands(value: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as refused:
        complete(Recipe(optimiser=Method("sgd", {"momentum": value})))
    assert refused.value.pointer == "/optimiser/parameters/momentum"


def test_listing_methods_does_not_import_torch() -> None:
    code = "import sys; from grouping.recipes import *; from grouping.domain.trainings.recipes import Part\n"
    code += "[list_methods(part) for part in Part]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
