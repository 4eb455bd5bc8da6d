"""The contract of weightings, for every method that can be carried out here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.trainings.recipes import Part
from grouping.errors import InvalidInputError, TrainingError
from grouping.recipes import list_unavailable
from grouping.recipes.registry import BUILT_IN, discover_methods
from grouping.training.data import TrainingData
from tests.contracts.weighting import METHODS, WeightingContract, context_of, make_data, make_weighting
from tests.plug_ins import install

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return make_data()


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The contract's way of sharing nothing, as a plug-in."""
    point = "[mtl_grouping.sharing]\nunshared = tests.contracts.weighting:Unshared"
    install(monkeypatch, tmp_path, "sharing-nothing", "", point)
    discover_methods.cache_clear()
    yield
    monkeypatch.undo()
    discover_methods.cache_clear()


@pytest.mark.parametrize("method", METHODS)
class TestEveryWeighting(WeightingContract):
    pass


LACKING = [broken.name for broken in list_unavailable(Part.WEIGHTING)]


@pytest.mark.parametrize("method", LACKING)
def test_a_method_whose_solver_is_not_installed_is_refused_and_says_what_to_install(method: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"install mtl-grouping\[{method}\] where") as caught:
        make_weighting(method, 2)
    assert caught.value.pointer == "/weighting/name"


@pytest.mark.parametrize("method", LACKING)
def test_workers_without_the_solver_of_a_method_say_so(method: str) -> None:
    (declared,) = (made for made in BUILT_IN[Part.WEIGHTING] if made.name == method)
    module, _, attribute = declared.implementation.partition(":")
    with pytest.raises(TrainingError, match=rf"install mtl-grouping\[{method}\] where the workers run"):
        getattr(importlib.import_module(module), attribute)(context_of(2), declared())
