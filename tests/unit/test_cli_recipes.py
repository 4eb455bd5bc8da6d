from __future__ import annotations

import pytest

from grouping.cli.recipes import parse_method, recipe_request
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
    asked = recipe_request({"sharing": "hard", "encoder": None}, epochs=3, hidden=[], batch_size=None)
    assert asked == {"sharing": {"name": "hard", "parameters": {}}, "epochs": 3}
