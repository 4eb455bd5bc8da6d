from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.recipes import list_methods
from grouping.training.data import TrainingData
from tests.contracts.sharing import BASE, SharingContract
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


@pytest.fixture(params=[method.name for method in list_methods(Part.SHARING)])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return replace(BASE, sharing=Method(request.param))


class TestEveryMethod(SharingContract):
    """With the defaults of its parameters."""
