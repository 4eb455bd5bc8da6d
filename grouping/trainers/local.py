"""Preparation and workers in this process: for searches without a service, and for tests of trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from grouping.trainers.trainer import Prepared, Trainer, TrainerJob
from grouping.trainers.workers import StepResult, TrainingWorker, WorkerContext, WorkerSetup


class LocalPool:
    """One worker, in this process; see `grouping.trainers.WorkerPool`.

    Args:
        context: what the worker may use.
    """

    size = 1

    def __init__(self, context: WorkerContext | None = None) -> None:
        self._context = context or WorkerContext()
        self._key: str | None = None
        self._worker: TrainingWorker | None = None

    def worker(self, setup: WorkerSetup) -> TrainingWorker:
        """Return the worker of a setup, built when it is first asked for."""
        if self._worker is None or self._key != setup.key:
            self._worker = setup.build(setup.data, self._context)
            self._key = setup.key
        return self._worker

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        """Call a method of the worker and return its answer."""
        return getattr(self.worker(setup), method)(*arguments)

    def successive_halving(
        self, setup: WorkerSetup, n_samples: int, max_steps: int, reduction: int
    ) -> Mapping[int, StepResult]:
        """Train one sample after another to its end: with one worker, none need wait for others."""
        worker: Any = setup.build(setup.data, self._context)
        found = {}
        for sample in range(n_samples):
            training = worker.begin(sample)
            for n_steps in range(1, max_steps + 1):
                result: StepResult = training.step()
                found[sample] = StepResult(result.loss, result.epochs, n_steps)
        return found


@dataclass(frozen=True, slots=True)
class PreparedTrainer:
    """A trainer that was prepared in this process.

    Attributes:
        trainer: gives costs and the setup of workers.
        planner: the trainer as it is where a job is planned; it knows what was settled.
        prepared: what was found out.
    """

    trainer: Trainer
    planner: Trainer
    prepared: Prepared

    @classmethod
    def of(cls, trainer: type[Trainer], job: TrainerJob) -> PreparedTrainer:
        """Prepare a trainer for a job.

        Raises:
            GroupingError: if the job cannot be trained.
        """
        new = trainer(job)
        prepared = new.prepare(LocalPool())
        return cls(new, trainer(replace(job, settled=prepared.settled)), prepared)
