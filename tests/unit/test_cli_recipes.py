from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from grouping.cli.options.recipes import parse_method, recipe_request, with_recipe_options
from grouping.domain.trainings.recipes import Precision
from grouping.errors import InvalidInputError


def test_a_name_alone_has_no_parameters() -> None:
    assert parse_method("hard", "sharing") == {"name": "hard", "parameters": {}}


def test_values_are_numbers_flags_lists_objects_or_text() -> None:
    text = 'x: a=0.5, b=true,c=[1, 2],d={"u": 1, "v": 2},e=some words,f="a,b"'
    assert parse_method(text, "sharing") == {
        "name": "x",
        "parameters": {
            "a": 0.5,
            "b": True,
            "c": [1, 2],
            "d": {"u": 1, "v": 2},
            "e": "some words",
            "f": "a,b",
        },
    }


@pytest.mark.parametrize("text", ["", ":a=1", "  "])
def test_a_method_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--sharing needs a name"):
        parse_method(text, "sharing")


@pytest.mark.parametrize("text", ["soft:strength", "soft:=3"])
def test_a_parameter_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="NAME=VALUE"):
        parse_method(text, "sharing")


def test_what_was_not_given_is_not_in_the_request() -> None:
    asked = recipe_request(sharing="hard", encoder=None, epochs=3, hidden=[], batch_size=None)
    assert asked == {"sharing": {"name": "hard", "parameters": {}}, "epochs": 3}


def test_a_precision_is_a_field_of_the_recipe() -> None:
    assert recipe_request('{"epochs": 5}', precision=Precision.BFLOAT16) == {
        "epochs": 5,
        "precision": "bfloat16",
    }


def test_an_option_counts_more_than_the_same_field_of_the_json() -> None:
    asked = recipe_request('{"epochs": 5, "batch_size": 8}', epochs=3)
    assert asked == {"epochs": 3, "batch_size": 8}


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_recipe_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--recipe is"):
        recipe_request(text)


def test_a_command_gets_its_recipe_from_the_options_beside_its_own() -> None:
    got: list[object] = []

    def train(problem: str, recipe: dict[str, Any], seeds: int = 3) -> None:
        got.extend([problem, recipe, seeds])

    app = typer.Typer()
    app.command()(with_recipe_options(train))
    arguments = ["digits", "--weighting", "mgda", "--hidden", "8", "--hidden", "4", "--seeds", "2"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert got == ["digits", {"weighting": {"name": "mgda", "parameters": {}}, "hidden": [8, 4]}, 2]
