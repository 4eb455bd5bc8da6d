"""Training of a stack by a worker: all at once; where that raises, one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError, RetryTrainingError, TrainingError
from grouping.trainers.workers import TrainingWorker

logger = logging.getLogger(__name__)


def raise_failed(request: TrialRequest, error: Exception) -> TrialOutcome:
    """Raise a `TrainingError` that names the network, for `train_stack`."""
    raise TrainingError(f"The training of {request.network} failed: {text_of(error)}") from error


def text_of(error: Exception) -> str:
    """Return the text of an exception, with its type where it was not raised on purpose."""
    return str(error) if isinstance(error, GroupingError) else f"{type(error).__name__}: {error}"


def train_stack(
    worker: TrainingWorker,
    requests: Sequence[TrialRequest],
    checkpoints: Path | None = None,
    *,
    failed: Callable[[TrialRequest, Exception], TrialOutcome] = raise_failed,
) -> tuple[TrialOutcome, ...]:
    """Train all at once; where that raises, one by one, so that one network fails no other.

    Args:
        worker: the worker.
        requests: what to train.
        checkpoints: see `TrainingWorker.train`.
        failed: gives the outcome of a request that raised by itself, or raises.

    Returns:
        An outcome for each request, in order; a succeeded one has scores of exactly the tasks of its group.

    Raises:
        RetryTrainingError: if a training asks to be tried again.
    """
    try:
        return _checked(worker.train(requests, checkpoints), requests)
    except Exception as error:
        if len(requests) == 1:
            if isinstance(error, RetryTrainingError):
                raise  # counted as a lost attempt
            return (failed(requests[0], error),)
        logger.exception("A stack of %d networks failed; each is trained alone now", len(requests))
    return tuple(
        outcome
        for request in requests
        for outcome in train_stack(worker, [request], checkpoints, failed=failed)
    )


def _checked(outcomes: Sequence[TrialOutcome], requests: Sequence[TrialRequest]) -> tuple[TrialOutcome, ...]:
    if len(outcomes) != len(requests):
        raise TypeError(f"The trainer gave {len(outcomes)} outcomes for {len(requests)} requests.")
    for outcome, request in zip(outcomes, requests, strict=True):
        scored = {score.task for score in outcome.scores}
        if outcome.state is TrialState.SUCCEEDED and scored != request.network.group:
            raise TypeError(
                f"The trainer scored {sorted(scored)} of {request.network}, not all of its tasks."
            )
    return tuple(outcomes)
