"""Trainings by workers anywhere: what they ask for, and what they report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grouping.domain.progress import Progress
from grouping.domain.resources import Resources
from grouping.domain.trials import TrialOutcome, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError, TrainingError
from grouping.store import Renewal, Store, TrialReport, TrialTold, TrialWanted
from grouping.trainers import trainer_class
from grouping.trainers.result_file import outcome_of
from grouping.wire.leases import CompletionIn, FailureIn, HeartbeatIn, LeaseRequest


def wanted(store: Store, request: LeaseRequest) -> TrialWanted:
    """Return what a worker asks for; refuse one that names jobs of which no trial will ever be leased.

    Raises:
        NotFoundError: if one does not exist.
        StateConflictError: if one is trained by the service itself.
    """
    trainers = store.trainers_of(request.job_ids) if request.job_ids else {}
    for job_id in request.job_ids or ():
        if job_id not in trainers:
            raise NotFoundError("job", job_id)
        if not trainer_class(trainers[job_id]).trains_elsewhere:
            raise StateConflictError(
                f"The networks of job {job_id} are trained by the service itself, with {trainers[job_id]!r}. "
                "Workers anywhere train jobs that were submitted with the trainer 'external'."
            )
    job_ids = None if request.job_ids is None else tuple(request.job_ids)
    return TrialWanted(request.worker, job_ids, _available(request))


def heartbeat(store: Store, token: str, told: HeartbeatIn) -> Renewal:
    """Extend a lease, and keep what the training told.

    Raises:
        LeaseLostError: if the lease has ended.
        InvalidInputError: if a point of progress breaks a rule.
    """
    points = tuple(Progress(point.step, point.values) for point in told.progress)
    return store.renew_trial(token, TrialReport(points, told.log) if points or told.log else None)


def told(token: str, result: CompletionIn) -> TrialTold:
    """Return the outcome of a leased training, as it was reported.

    Raises:
        InvalidInputError: if the result breaks a rule.
    """
    if not result.validation:
        raise InvalidInputError("Give the validation loss of each task.", pointer="/validation")
    given = result.model_dump(exclude={"seconds"}, exclude_unset=True)
    try:
        outcome = outcome_of(given, sorted(result.validation), what="The result")
    except TrainingError as error:
        raise InvalidInputError(str(error)) from error
    seconds = result.seconds
    timed = outcome if seconds is None else replace(outcome, seconds=seconds)
    return TrialTold(token, timed, measures_time=seconds is None)


def fail(store: Store, token: str, failure: FailureIn) -> TrialState:
    """Record that a leased training has no result.

    Raises:
        LeaseLostError: if the lease has ended.
        IdempotencyConflictError: if another outcome was reported before.
    """
    if failure.is_diverged:
        outcome = TrialOutcome(TrialState.DIVERGED, epochs=failure.epochs, error=failure.error)
        return store.complete_trial(token, outcome, measures_time=True)
    return store.fail_trial(token, failure.error, retry=failure.retry)


def _available(request: LeaseRequest) -> Mapping[str, float] | None:
    """Return what a worker has, by the names of `Resources.fit_into`; None if it does not say."""
    if request.resources is None:
        return None
    has = Resources(**request.resources.model_dump())
    memory = {} if has.memory_gib is None else {"memory": has.memory_gib * 2**30}
    return {"CPU": has.cpus, "GPU": has.gpus, **memory, **has.custom}
