"""Trainings in other processes of this machine, without a service: for studies and score tables."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from grouping.domain.trials import Trial, TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.trainers.local import LocalPool
from grouping.trainers.trainer import Trainer, TrainingWorker, WorkerSetup

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """Requests of one stack, and the setup of the worker that trains them."""

    setup: WorkerSetup
    requests: tuple[TrialRequest, ...]


def stacks_of(trainer: Trainer, requests: Sequence[TrialRequest], n_workers: int) -> list[tuple[int, ...]]:
    """Cut requests into stacks as a trainer does, and return them as positions of requests."""
    planned = [Trial.planned(position, request) for position, request in enumerate(requests)]
    stacks = trainer.stacks(planned, n_workers)
    return [tuple(trial.position for trial in stack.trials) for stack in stacks]


def train_works(works: Sequence[Work], processes: int) -> Iterator[tuple[int, tuple[TrialOutcome, ...]]]:
    """Train works in processes of their own; in this one, if it is to be one process.

    A process keeps one worker at a time: works of one setup should follow each other.

    Args:
        works: what to train, in the order in which to start.
        processes: number of works that are trained at the same time.

    Yields:
        Position of a work, and an outcome for each of its requests, as the works are finished.

    Raises:
        TrainingError: if a training failed, or a process was lost. A diverged training is an outcome.
    """
    if processes == 1:
        pool = LocalPool()
        for position, work in enumerate(works):
            yield position, _train(pool.worker(work.setup), work.requests)
        return
    setups = {work.setup.key: work.setup for work in works}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (setups,)) as executor:
        waiting = [
            executor.submit(_train_here, position, work.setup.key, work.requests)
            for position, work in enumerate(works)
        ]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "A process that trains networks was ended from outside, perhaps for lack of memory: try "
                "fewer processes."
            ) from error
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


_setups: Mapping[str, WorkerSetup] = {}
_pool = LocalPool()


def _begin(setups: Mapping[str, WorkerSetup]) -> None:
    """Keep the setups in this process; they are sent to it once."""
    global _setups
    _setups = setups


def _train_here(
    position: int, key: str, requests: tuple[TrialRequest, ...]
) -> tuple[int, tuple[TrialOutcome, ...]]:
    return position, _train(_pool.worker(_setups[key]), requests)


def _train(worker: TrainingWorker, requests: Sequence[TrialRequest]) -> tuple[TrialOutcome, ...]:
    """Train requests together; if an exception stops them, one by one."""
    try:
        outcomes = tuple(worker.train(requests))
    except Exception as error:
        if len(requests) == 1:
            text = f"{type(error).__name__}: {error}"
            raise TrainingError(f"The training of {requests[0].network} failed: {text}") from error
        logger.exception("A stack of %d networks failed; each is trained alone now", len(requests))
        return tuple(outcome for request in requests for outcome in _train(worker, [request]))
    for request, outcome in zip(requests, outcomes, strict=True):
        if outcome.state not in (TrialState.SUCCEEDED, TrialState.DIVERGED):
            raise TrainingError(f"The training of {request.network} failed: {outcome.error}")
    return outcomes
