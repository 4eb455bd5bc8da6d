"""Trainings by workers anywhere: what they ask for, and what they report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError, TrainingError
from grouping.store import Renewal, Store, TrialReport, TrialTold, TrialWanted
from grouping.trainers import trainer_class
from grouping.trainers.result_file import outcome_of
from grouping.wire.leases import (
    CompletionIn,
    FailureIn,
    HeartbeatIn,
    LeaseRequest,
    ResourcesIn,
    TooLargeOut,
    WaitingOut,
    WaitingRequest,
)

MAX_KINDS = 4
"""Kinds of trainings that are too large for a worker and are told in a sentence."""


def wanted(store: Store, request: LeaseRequest) -> TrialWanted:
    """Return what a worker asks for; refuse one that names jobs of which no trial will ever be leased.

    Raises:
        NotFoundError: if one does not exist.
        StateConflictError: if one is trained by the service itself.
    """
    return TrialWanted(request.worker, _jobs(store, request.job_ids), _available(request.resources))


def waiting(store: Store, request: WaitingRequest) -> WaitingOut:
    """Tell what waits for workers anywhere, and what a worker lacks for it.

    Raises:
        NotFoundError: if a job that it names does not exist.
        StateConflictError: if one is trained by the service itself.
    """
    available = _available(request.resources)
    kinds = store.waiting_trials(_jobs(store, request.job_ids))
    too_large = [
        TooLargeOut(trainings=kind.count, needs=kind.resources.in_words(), lacks=list(lacks))
        for kind in kinds
        if kind.resources is not None and available is not None
        if (lacks := kind.resources.lacking(available))
    ]
    n_waiting, n_too_large = sum(kind.count for kind in kinds), sum(one.trainings for one in too_large)
    return WaitingOut(
        trainings=n_waiting,
        fitting=n_waiting - n_too_large,
        too_large=too_large,
        sentence=_too_large_in_words(too_large, n_too_large),
    )


def _too_large_in_words(too_large: Sequence[TooLargeOut], count: int) -> str:
    if not too_large:
        return ""
    kinds = [
        f"{one.trainings:,} {'needs' if one.trainings == 1 else 'need'} {', '.join(one.lacks)}"
        for one in too_large[:MAX_KINDS]
    ]
    rest = "; and others" if len(too_large) > MAX_KINDS else ""
    said = "1 training waits that is" if count == 1 else f"{count:,} trainings wait that are"
    return f"{said} too large for this worker: {'; '.join(kinds)}{rest}."


def _jobs(store: Store, job_ids: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the jobs that a worker names; refuse one of which no trial will ever be leased."""
    trainers = store.trainers_of(job_ids) if job_ids else {}
    for job_id in job_ids or ():
        if job_id not in trainers:
            raise NotFoundError("job", job_id)
        if not trainer_class(trainers[job_id]).trains_elsewhere:
            raise StateConflictError(
                f"The networks of job {job_id} are trained by the service itself, with {trainers[job_id]!r}. "
                "Workers anywhere train jobs that were submitted with the trainer 'external'."
            )
    return None if job_ids is None else tuple(job_ids)


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
    return store.fail_trial(token, failure.error, retry=failure.retry, fault=failure.fault)


def _available(stated: ResourcesIn | None) -> Mapping[str, float] | None:
    """Return what a worker has, by the names of `Resources.fit_into`; None if it does not say."""
    if stated is None:
        return None
    has = Resources(**stated.model_dump())
    return {"memory": math.inf, **has.amounts()}
