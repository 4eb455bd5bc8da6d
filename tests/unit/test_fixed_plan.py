"""Fixed plans: every training of a list, for studies and score tables."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.trainings.trials import TaskScore, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.errors import RetryTrainingError, TrainingError
from grouping.search.executors import Executor, executor_of
from grouping.search.fixed_plan import train_all
from grouping.trainers import PreparedTrainer, Stack, Trainer, TrainerJob, TrainingWorker, WorkerContext
from grouping.trainers import WorkerSetup as Setup

REQUESTS = tuple(TrialRequest(Network.of("a"), seed) for seed in range(5))
JOB = TrainerJob("none", ("a",), SearchTerms(Candidates.of(["a", "b"]), (1.0,)))
WORKERS = {"in-process": 1, "threads": 2, "processes": 2}


@dataclass(frozen=True)
class Told:
    """What a worker does: its losses begin at a number; a seed is lost, refused or tried again."""

    first: float
    folder: Path
    lost: int | None = None
    refused: int | None = None
    again: int | None = None


class Alone(TrainingWorker):
    """Trains one network at a time, and only one."""

    def __init__(self, data: Told, context: WorkerContext) -> None:
        self.told = data

    def train(
        self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
    ) -> Sequence[TrialOutcome]:
        if len(requests) > 1:
            raise MemoryError("too many")
        seed = requests[0].seed
        if seed == self.told.lost:
            os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory is short
        if seed == self.told.refused:
            return [TrialOutcome(TrialState.FAILED, error="too large")]
        if seed == self.told.again and not (done := self.told.folder / "done").exists():
            done.touch()
            raise RetryTrainingError("come back later")
        return [TrialOutcome(TrialState.SUCCEEDED, (TaskScore("a", self.told.first + seed),))]


class Pairs(Trainer):
    """Cuts stacks of two."""

    name = "pairs"

    def __init__(self, told: Told) -> None:
        super().__init__(JOB)
        self.told = told

    def stacks(self, planned: Sequence[Trial], n_workers: int) -> list[Stack]:
        return [Stack(tuple(planned[i : i + 2])) for i in range(0, len(planned), 2)]

    def setup(self) -> Setup:
        return Setup(f"{self.told}", Alone, self.told)


def losses(told: Told, executor: Executor, requests: Sequence[TrialRequest] = REQUESTS) -> dict[int, float]:
    trainer = Pairs(told)
    prepared = PreparedTrainer(trainer, trainer, trainer.prepare(None))  # type: ignore[arg-type]
    return {
        request.seed: outcome.scores[0].validation_loss
        for request, outcome in train_all(prepared, requests, executor)
    }


@pytest.mark.parametrize("name", WORKERS)
def test_each_plan_has_the_outcomes_of_its_own_trainer_and_a_stack_that_fails_is_trained_one_by_one(
    name: str, tmp_path: Path
) -> None:
    told = Told(100, tmp_path)
    with executor_of(name, WORKERS[name]) as executor:
        assert losses(told, executor) == {seed: 100 + seed for seed in range(5)}
        assert losses(replace(told, first=200), executor, REQUESTS[:3]) == {0: 200, 1: 201, 2: 202}
        assert losses(told, executor, ()) == {}
        assert losses(told, executor, REQUESTS[4:]) == {4: 104}


@pytest.mark.parametrize("name", WORKERS)
def test_a_training_that_asks_to_be_tried_again_is(name: str, tmp_path: Path) -> None:
    with executor_of(name, WORKERS[name]) as executor:
        assert losses(Told(0, tmp_path, again=1), executor) == {seed: seed for seed in range(5)}
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("name", WORKERS)
def test_a_training_that_fails_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    with (
        executor_of(name, WORKERS[name]) as executor,
        pytest.raises(TrainingError, match=r"training of a\S* failed: too large"),
    ):
        losses(Told(0, tmp_path, refused=3), executor)


def test_a_process_that_is_lost_again_and_again_is_an_error_with_what_may_help(tmp_path: Path) -> None:
    with (
        executor_of("processes", 2) as executor,
        pytest.raises(TrainingError, match=r"training of a\S* failed: .* exit code -9.*fewer workers"),
    ):
        losses(Told(0, tmp_path, lost=2), executor)
