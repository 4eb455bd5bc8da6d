"""Pools of workers for tests of trainers: none at all, or one in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grouping.trainers import StepResult, TrainingWorker, WorkerContext, WorkerSetup


class NoWorkers:
    """A cluster on which nothing is free."""

    size = 1

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        return None

    def successive_halving(
        self, setup: WorkerSetup, n_samples: int, max_steps: int, reduction: int
    ) -> Mapping[int, StepResult]:
        return {}


class OneWorker(NoWorkers):
    """A worker in this process."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._worker: TrainingWorker | None = None

    def worker(self, setup: WorkerSetup) -> TrainingWorker:
        if self._worker is None or self._key != setup.key:
            self._worker, self._key = setup.build(setup.data, WorkerContext()), setup.key
        return self._worker

    def ask(self, setup: WorkerSetup, method: str, *arguments: Any) -> Any:
        return getattr(self.worker(setup), method)(*arguments)
