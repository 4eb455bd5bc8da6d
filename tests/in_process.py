"""Jobs carried out in this process, as their own processes do it, without Ray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from grouping.domain.jobs.job import Job
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.store import Claim, Store
from grouping.trainers import LocalPool, Trainer, trainer_of
from grouping_workers.job.control import Control
from grouping_workers.job.elsewhere import ElsewhereExecutor
from grouping_workers.job.executor import JobExecutor, Lost, Ready, Report, Trained, TrainingOrder
from grouping_workers.job.job_run import JobRun


class LocalExecutor:
    """Trains with the job's trainer, one order after another, in this process."""

    size = 1

    def __init__(self) -> None:
        self._pool = LocalPool()
        self._trainer: Trainer | None = None
        self._answers: list[Trained | Lost] = []
        self.before_training: Callable[[TrainingOrder], None] = lambda order: None

    def prepare(self, trainer: Trainer, networks: Sequence[Network]) -> Ready:
        self._trainer = trainer
        prepared = trainer.prepare(self._pool)
        return Ready(prepared, self.measure(networks), dict(trainer.environment()))

    def measure(self, networks: Sequence[Network]) -> tuple[MeasuredNetwork | None, ...]:
        assert self._trainer is not None
        return self._trainer.measure(networks, self._pool)

    def submit(self, order: TrainingOrder) -> None:
        assert self._trainer is not None
        self.before_training(order)
        worker = self._pool.worker(self._trainer.setup())
        outcomes = worker.train(tuple(order.requests.values()))
        self._answers.append(Trained(order.number, dict(zip(order.requests, outcomes, strict=True))))

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        answers, self._answers = self._answers, []
        return answers

    def reports(self) -> list[Report]:
        return []

    def end_job(self) -> None:
        self._answers.clear()


def executor_of(job: Job) -> JobExecutor:
    """What carries out a job without Ray."""
    return ElsewhereExecutor() if trainer_of(job).trains_elsewhere else LocalExecutor()


def run_of(store: Store, executor: JobExecutor | None = None, control: Control | None = None) -> JobRun:
    """Claim the oldest job; gives what carries it out."""
    claim = claim_any(store)
    return JobRun(store, claim, executor or executor_of(claim.job), control or Control())


def claim_any(store: Store) -> Claim:
    """Claim the oldest job."""
    claim = store.claim_job("this process", lease_s=3600)
    assert claim is not None
    return claim


@contextmanager
def carried_out(store: Store, executor: JobExecutor | None = None) -> Iterator[Control]:
    """Carry out the oldest job in a thread, until it ends; or until the block does, if that sets `stop`."""
    control = Control()
    run = run_of(store, executor, control)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run.run()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield control
    except BaseException:
        control.stop.set()
        raise
    finally:
        thread.join()
    if errors:
        raise errors[0]
