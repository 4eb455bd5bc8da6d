from __future__ import annotations

import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError
from grouping.training.latency import measure_latency

TASKS = (Task.regression("a"), Task.binary("b"))


def test_a_latency_is_a_time_of_a_forward_pass() -> None:
    assert 0 < measure_latency(5, TASKS, Network.of("a", "b"), Recipe(hidden=(4,))) < 1


def test_a_network_with_a_hundred_times_the_work_takes_longer() -> None:
    narrow = measure_latency(64, TASKS, Network.of("a"), Recipe(hidden=(8,) * 2))
    wide = measure_latency(64, TASKS, Network.of("a"), Recipe(hidden=(2048,) * 3))
    assert wide > narrow


def test_a_size_that_cannot_be_built_has_none() -> None:
    with pytest.raises(InvalidInputError, match="size"):
        measure_latency(5, TASKS, Network.of("a", size=0.001), Recipe(hidden=(4,)))
