"""Parameters that need neither conversion nor complaint are built as Pydantic does, and without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from typing import Any

import pytest

from grouping.domain.trainings.recipes import Part
from grouping.errors import InvalidInputError
from grouping.parameters import _adapter, _fits_as_it_is, build
from grouping.recipes.losses_and_metrics import discover_losses, discover_metrics
from grouping.recipes.registry import discover_methods

DECLARATIONS = [
    *(method for part in Part for method in discover_methods(part).found),
    *discover_losses().found,
    *discover_metrics().found,
]
VALUES: tuple[Any, ...] = (
    *(0, 1, 2, 7, -1, 10**6, True, None, "", "1", "digit", "x" * 300, [], ["digit"], [1], {}, {"digit": 1}),
    *({"digit": 0.5}, {"digit": 2.0}, {1: 2}, 0.0, 0.5, 1.0, 2.0, 1e300, -0.5, float("nan"), float("inf")),
)


def usual(declaration: type[Any]) -> Iterator[tuple[str, Any]]:
    """The defaults, as a manifest of a bundle has them."""
    for one in fields(declaration):
        if one.default is not MISSING:
            yield one.name, one.default
        elif one.default_factory is not MISSING:
            yield one.name, one.default_factory()


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda one: f"{one.__module__}.{one.name}")
def test_what_fits_as_it_is_is_what_pydantic_makes_of_it(declaration: type[Any]) -> None:
    defaults = json.loads(json.dumps(dict(usual(declaration))))
    assert _fits_as_it_is(declaration, defaults), "such as a recipe that is complete"
    assert build(declaration, defaults, what="it") == declaration()
    for name in defaults:
        for value in VALUES:
            given = defaults | {name: value}
            if not _fits_as_it_is(declaration, given):
                continue
            made = _adapter(declaration).validate_python(given)
            assert asdict(made) == asdict(build(declaration, given, what="it"))
            assert type(asdict(made)[name]) is type(value), "and nothing is converted"


def test_what_does_not_fit_is_told_by_pydantic() -> None:
    encoder = discover_methods(Part.ENCODER).get("transformer", kind="encoder")
    with pytest.raises(InvalidInputError, match=r"n_heads: .* less than or equal to 256"):
        build(encoder, {"vocabulary": 9, "n_heads": 257}, what="encoder")
    assert build(encoder, {"vocabulary": "9"}, what="encoder") == build(encoder, {"vocabulary": 9}, what="it")
    with pytest.raises(InvalidInputError, match="does not know heads: did you mean n_heads"):
        build(encoder, {"heads": 2}, what="encoder")


def test_lists_of_the_caller_stay_the_callers() -> None:
    schedule = discover_methods(Part.SCHEDULE).get("continual", kind="schedule")
    order = ["digit"]
    made: Any = build(schedule, {"order": order}, what="schedule")
    order.append("loop")
    assert asdict(made)["order"] == ["digit"]
