"""The Ray actor that trains: long-lived, one thread, its worker kept between trainings.

A fresh process or Ray task per small network costs several times the training itself, so an actor builds the
worker of a job once and trains one stack of networks after another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from grouping.domain.trainings.faults import Fault, is_out_of_memory
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError
from grouping.trainers import DEFAULT_TRAINER, TrainingWorker, WorkerContext, WorkerSetup, get_trainer
from grouping.trainers.runtime_env import use_copy
from grouping.trainers.stack_training import text_of, train_stack
from grouping_workers.on_ray.reports import ReportsToMailbox

Holder = list[Any]
"""A list of one reference to a setup: what is in a list is fetched only when it is asked for."""


class TrainingActor:
    """Trains one stack at a time. Wrapped by `ray.remote` in the pool.

    Args:
        context: settings of workers.
        copied: folder of which this process works in a copy; None for none.
    """

    def __init__(self, context: WorkerContext, copied: Path | None = None) -> None:
        if copied is not None:
            use_copy(copied, Path.cwd())
        self._reports = ReportsToMailbox()
        self._context = replace(context, reports=self._reports)
        self._key: str | None = None
        self._worker: TrainingWorker | None = None
        get_trainer(DEFAULT_TRAINER).warm_up()

    def process_id(self) -> int:
        """Return the actor's process id, for people and for tests that kill it."""
        return os.getpid()

    def ask(self, holder: Holder, key: str, method: str, arguments: Sequence[Any]) -> Any:
        """Call a method of the worker and return its answer."""
        return getattr(self._require_worker(holder, key), method)(*arguments)

    def train(
        self,
        holder: Holder,
        key: str,
        requests: Mapping[str, TrialRequest],
        checkpoints: Path | None,
        mailbox: Any = None,
    ) -> tuple[tuple[TrialOutcome, ...], dict[str, str], dict[str, str]]:
        """Train and score networks.

        Args:
            holder: holder of the setup, which is fetched only when its worker is not here yet.
            key: key of the setup.
            requests: what to train, by trial.
            checkpoints: folder of the job's checkpoints; None for none.
            mailbox: handle of the actor that takes reports; None for nobody.

        Returns:
            An outcome for each, in order; the worker's environment; and its remarks. What can never work
            is a failed outcome, not an exception.
        """
        wanted = tuple(requests.values())
        try:
            worker = self._require_worker(holder, key)
        except GroupingError as error:
            return tuple(_failed(request, error) for request in wanted), {}, {}
        self._reports.begin(mailbox, {request: trial for trial, request in requests.items()})
        try:
            outcomes = train_stack(worker, wanted, checkpoints, failed=_failed)
        finally:
            self._reports.flush()
        return outcomes, dict(worker.environment()), dict(worker.remarks(wanted))

    def _require_worker(self, holder: Holder, key: str) -> TrainingWorker:
        if key != self._key or self._worker is None:
            self._worker = None  # its data may be large
            setup: WorkerSetup = ray.get(holder[0])
            self._worker = setup.build(setup.data, self._context)
            self._key = key
        return self._worker


def _failed(_request: TrialRequest, error: Exception) -> TrialOutcome:
    fault = Fault.RESOURCES if is_out_of_memory(error) else Fault.USER
    return TrialOutcome(TrialState.FAILED, error=text_of(error), fault=fault)
