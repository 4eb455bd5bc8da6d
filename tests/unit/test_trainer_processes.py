"""Trainings in processes of this machine, for studies and score tables."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from grouping.domain.networks import Network
from grouping.domain.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.trainers import TrainingWorker, WorkerContext, WorkerSetup
from grouping.trainers.processes import Work, train_works

REQUESTS = tuple(TrialRequest(Network.of("a"), seed) for seed in range(5))


class Alone(TrainingWorker):
    """Trains one network at a time, and only one; a loss is the seed and the data."""

    def __init__(self, data: int, context: WorkerContext) -> None:
        self.data = data

    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> Sequence[TrialOutcome]:
        if len(requests) > 1:
            raise MemoryError("too many")
        score = TaskScore("a", float(self.data + requests[0].seed))
        return [TrialOutcome(TrialState.SUCCEEDED, (score,))]


class Lost(Alone):
    """Ends its process, as the system does when memory is short."""

    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> Sequence[TrialOutcome]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []


def setup(data: int) -> WorkerSetup:
    maker: Any = Alone
    return WorkerSetup(f"alone {data}", maker, data)


@pytest.mark.parametrize("processes", [1, 2])
def test_each_work_has_its_own_outcomes_in_order_and_a_stack_that_fails_is_trained_one_by_one(
    processes: int,
) -> None:
    works = [Work(setup(100), REQUESTS), Work(setup(200), REQUESTS[:2]), Work(setup(100), REQUESTS[3:])]
    found = {
        position: [outcome.scores[0].validation_loss for outcome in outcomes]
        for position, outcomes in train_works(works, processes)
    }
    assert found == {0: [100, 101, 102, 103, 104], 1: [200, 201], 2: [103, 104]}


def test_a_process_that_is_lost_is_an_error_and_not_waited_for() -> None:
    maker: Any = Lost
    with pytest.raises(TrainingError, match="fewer processes"):
        list(train_works([Work(WorkerSetup("lost", maker, 0), REQUESTS[:1])] * 3, 2))
