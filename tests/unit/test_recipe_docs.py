"""The document of recipes: no method in it without a measured number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grouping.domain.trainings.recipes import Part
from grouping.problems.registry import list_problems
from grouping.recipes import list_methods

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "recipes.md"
OPTIONAL = {("weighting", "cagrad"), ("weighting", "nash-mtl")}
"""Listed only where their extras are installed."""


def measured() -> set[tuple[str, str]]:
    """Part and name of every method with a gain in the tables."""
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text[text.index("<!-- recipes: begin -->") : text.index("<!-- recipes: end -->")]
    return set(re.findall(r"^\| ([a-z_]+) \| `([a-z-]+)` \| [+-][\d.]+ ± [\d.]+ \|", table, re.MULTILINE))


@pytest.mark.parametrize("part", list(Part))
def test_every_method_is_measured_or_in_a_problems_own_recipe(part: Part) -> None:
    own = {(part.value, problem.recipe.method(part).name) for problem in list_problems()}
    listed = {(part.value, info.name) for info in list_methods(part)}
    assert listed <= measured() | own


def test_methods_that_need_an_extra_are_measured_too() -> None:
    assert measured() >= OPTIONAL
