"""Trainings by workers anywhere: what they ask for, and what they report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grouping.domain.progress import Progress
from grouping.domain.resources import Resources
from grouping.domain.trials import TrialOutcome, TrialState
from grouping.errors import InvalidInputError, StateConflictError, TrainingError
from grouping.store import Renewal, Store, TrialLease, TrialReport
from grouping.trainers import trainer_class
from grouping.trainers.result_file import outcome_of
from grouping.wire.leases import CompletionIn, FailureIn, HeartbeatIn, LeaseRequest


def check_jobs(store: Store, request: LeaseRequest) -> None:
    """Refuse a request that names jobs of which no trial will ever be leased.

    Raises:
        NotFoundError: if one does not exist.
        StateConflictError: if one is trained by the service itself.
    """
    for job_id in request.job_ids or ():
        spec = store.get_job(job_id).spec
        if not trainer_class(spec.trainer).trains_elsewhere:
            raise StateConflictError(
                f"The networks of job {job_id} are trained by the service itself, with {spec.trainer!r}. "
                "Workers anywhere train jobs that were submitted with the trainer 'external'."
            )


def is_over(store: Store, request: LeaseRequest) -> bool:
    """Return whether all jobs that a request names have ended, so that there is nothing to wait for."""
    return request.job_ids is not None and all(
        store.get_job(job_id).state.is_final for job_id in request.job_ids
    )


def lease(store: Store, request: LeaseRequest) -> TrialLease | None:
    """Lease a trial to a worker; None if there is none for it now."""
    return store.lease_trial(request.worker, job_ids=request.job_ids, available=_available(request))


def heartbeat(store: Store, token: str, told: HeartbeatIn) -> Renewal:
    """Extend a lease, and keep what the training told.

    Raises:
        LeaseLostError: if the lease has ended.
        InvalidInputError: if a point of progress breaks a rule.
    """
    points = tuple(Progress(point.step, point.values) for point in told.progress)
    return store.renew_trial(token, TrialReport(points, told.log) if points or told.log else None)


def complete(store: Store, token: str, result: CompletionIn) -> TrialState:
    """Record the result of a leased training.

    Raises:
        LeaseLostError: if the lease has ended.
        IdempotencyConflictError: if another outcome was reported before.
        InvalidInputError: if the result breaks a rule.
    """
    if not result.validation:
        raise InvalidInputError("Give the validation loss of each task.", pointer="/validation")
    given = result.model_dump(exclude={"seconds"}, exclude_unset=True)
    try:
        outcome = outcome_of(given, sorted(result.validation), what="The result")
    except TrainingError as error:
        raise InvalidInputError(str(error)) from error
    return _complete(store, token, outcome, result.seconds)


def fail(store: Store, token: str, failure: FailureIn) -> TrialState:
    """Record that a leased training has no result.

    Raises:
        LeaseLostError: if the lease has ended.
        IdempotencyConflictError: if another outcome was reported before.
    """
    if failure.is_diverged:
        outcome = TrialOutcome(TrialState.DIVERGED, epochs=failure.epochs, error=failure.error)
        return _complete(store, token, outcome, None)
    return store.fail_trial(token, failure.error, retry=failure.retry)


def _complete(store: Store, token: str, outcome: TrialOutcome, seconds: float | None) -> TrialState:
    timed = outcome if seconds is None else replace(outcome, seconds=seconds)
    return store.complete_trial(token, timed, measures_time=seconds is None)


def _available(request: LeaseRequest) -> Mapping[str, float] | None:
    """Return what a worker has, by the names of `Resources.fit_into`; None if it does not say."""
    if request.resources is None:
        return None
    has = Resources(**request.resources.model_dump())
    memory = {} if has.memory_gib is None else {"memory": has.memory_gib * 2**30}
    return {"CPU": has.cpus, "GPU": has.gpus, **memory, **has.custom}
