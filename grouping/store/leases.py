"""Leases: the right of one dispatcher to write to a job, and changes of the job's state under it.

A claim counts up the job's lease epoch. Every write of a dispatcher carries its claim, locks the job's
row, and is refused when the epoch in the database is another or the lease was given up; so a dispatcher
that was suspended and wakes up after another took over cannot write anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import JobState, Stop, StopReason
from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.trainings.faults import (
    LONE_AFTER_CLAIMS,
    MAX_LOST_CLAIMS,
    MOST_NAMED,
    LossCause,
    is_claim_wasted,
)
from grouping.errors import InvalidInputError, StateConflictError
from grouping.store.codec import as_json, job_from_row, spec_from_json, spec_to_json, storable
from grouping.store.database import Database
from grouping.store.locked_jobs import ALL, NOT_LEASED, LockedJob, lock_claimed_job
from grouping.store.missing import find_missing
from grouping.store.records import Claim
from grouping.store.results import count_told
from grouping.store.rows import JobRow
from grouping.store.stops import skip_unwanted

_ENDINGS = frozenset({JobState.FAILED, JobState.CANCELLING, JobState.CANCELLED})
_SUCCEEDS = frozenset({JobState.SUCCEEDED})
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.PREPARING}) | _ENDINGS,
    JobState.PREPARING: frozenset({JobState.RUNNING, JobState.CONFIRMING}) | _ENDINGS,
    JobState.RUNNING: frozenset({JobState.PREPARING, JobState.CONFIRMING, JobState.SUCCEEDED}) | _ENDINGS,
    JobState.CONFIRMING: frozenset({JobState.PREPARING, JobState.RUNNING, JobState.SUCCEEDED}) | _ENDINGS,
    JobState.PAUSING: frozenset({JobState.PAUSED}) | _ENDINGS,
    JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.FAILED}),
}
"""Changes of state by a dispatcher. One that took a job over prepares it anew and goes on where it stood."""

_TO_BE_DONE = tuple(state for state in JobState if not state.is_at_rest)


class LeaseMethods:
    """Methods of the store by which a dispatcher claims a job, keeps its lease and changes its state."""

    _database: Database

    def claim_job(self, owner: str, *, lease_s: float = 30.0, has_others: bool = False) -> Claim | None:
        """Claim the oldest job that is queued or whose dispatcher's lease ended; None if there is none.

        Running trials are planned again; those that workers leased go on. A job that is being cancelled stays
        in that state: its claimer only has to finish cancelling. Jobs that lost dispatchers come after all
        others; one that lost too many without progress fails here.

        Args:
            owner: name of the dispatcher.
            lease_s: seconds for which the claim is valid unless renewed.
            has_others: whether the dispatcher works on another job; then it gets none that may end it.
        """
        with self._database.writing() as session:
            while (row := self._find_abandoned(session, has_others=has_others)) is not None:
                locked = LockedJob(session, row, self._database.now_s(session))
                if row.lease_owner is not None:
                    _lose_dispatcher(locked)  # so that others may come before it
                elif row.lost_claims >= MAX_LOST_CLAIMS and row.state != JobState.CANCELLING:
                    _fail(locked)
                elif not has_others or row.lost_claims < LONE_AFTER_CLAIMS:
                    return _begin_claim(locked, owner, lease_s)
                session.flush()
            return None

    def _find_abandoned(self, session: Session, *, has_others: bool) -> JobRow | None:
        """Find and lock the first job that is to be worked on and that nobody holds."""
        is_abandoned = or_(
            JobRow.lease_owner.is_(None),
            JobRow.lease_expires_s.is_(None),
            JobRow.lease_expires_s <= self._database.now_s(session),
        )
        chosen = JobRow.state.in_(_TO_BE_DONE) & is_abandoned
        if has_others:
            chosen &= JobRow.lost_claims < LONE_AFTER_CLAIMS
        return session.scalars(
            select(JobRow)
            .where(chosen)
            .order_by(JobRow.lost_claims, JobRow.created_s, JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()

    def renew(self, claim: Claim) -> bool:
        """Extend the lease by its length from now; return whether the user asked to cancel.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            locked.job.lease_expires_s = locked.now_s + claim.lease_s
            return locked.job.cancel_requested

    def release(self, claim: Claim) -> None:
        """Give the job back, as on a planned shutdown; its running trials are planned again, uncharged.

        Those that workers leased go on.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            given_back = locked.give_back_trials(NOT_LEASED)
            locked.job.charged_trainings -= given_back
            locked.clear_lease()
            locked.add_event("job_released", {"owner": claim.owner, "trials_given_back": given_back})

    def enter_state(
        self,
        claim: Claim,
        state: JobState,
        *,
        stop_reason: StopReason | None = None,
        error: str | None = None,
        n_told: int | None = None,
    ) -> None:
        """Change the state of the job; the same state again changes nothing.

        A final state, or a pause, ends the lease. Trials still running then are planned again, in case the
        job is resumed; skipped, if it was stopped and succeeds. What failed is named where it succeeds.

        Args:
            claim: the claim of the caller.
            state: the new state.
            stop_reason: reason why it ended, with `JobState.SUCCEEDED` only.
            error: what went wrong in words for the user, with `JobState.FAILED` only.
            n_told: number of results from outside that were known when this was decided; None if they do
                not matter.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            StateConflictError: if there is no such transition, as when the user cancelled meanwhile; or if
                there are further results from outside.
            InvalidInputError: if reason or error do not belong to the state.
        """
        if (stop_reason is not None and state is not JobState.SUCCEEDED) or (
            error is not None and state is not JobState.FAILED
        ):
            raise InvalidInputError("A stop reason belongs to success and an error to failure.")
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            job = locked.job
            before = JobState(job.state)
            if state is before:
                return
            if state not in TRANSITIONS[before] | (_SUCCEEDS if _may_succeed_early(job) else frozenset()):
                raise StateConflictError(f"A job that is {before} cannot become {state}.")
            if n_told is not None and count_told(session, job.id) != n_told:
                raise StateConflictError("Results were added meanwhile; plan with them first.")
            job.state = state
            job.stop_reason = stop_reason
            job.error = None if error is None else storable(error)
            if state.is_at_rest:
                locked.give_back_trials(ALL if state.is_final else NOT_LEASED)
                locked.clear_lease()
            if state.is_final:
                job.finished_s = locked.now_s
            if state is JobState.SUCCEEDED and job.stop is not None:
                skip_unwanted(locked, Stop.ALL)
            data = _reasons(stop_reason, job.error)
            if state is JobState.SUCCEEDED and (missing := find_missing(locked)).count:
                job.missing = as_json(missing)
                data |= {"missing": missing.count, "without": missing.in_words(MOST_NAMED)}
            if state.is_final:
                locked.add_end(data)
            else:
                locked.add_event(f"job_{state}", data)

    def record_preparation(
        self,
        claim: Claim,
        *,
        data_digest: str,
        versions: Mapping[str, str],
        settled: Mapping[str, Any] | None = None,
        events: Sequence[tuple[str, Mapping[str, Any]]] = (),
    ) -> None:
        """Record the data that the job is trained on, and the versions that it is trained with.

        Args:
            claim: the claim of the caller.
            data_digest: digest of the data.
            versions: versions of the libraries that train, and their arithmetic; those of an earlier
                preparation stay.
            settled: facts that its trainer settled; those of an earlier preparation stay.
            events: kind and data of the trainer's events about the preparation.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if the job has scores from other data, which cannot be mixed, or `settled` has
                no JSON form.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            job = locked.job
            if job.data_digest is None:
                job.settled = as_json(settled or {})
            elif job.data_digest != data_digest:
                raise InvalidInputError(
                    "The data changed since the job began, and scores on different data cannot be compared: "
                    f"its digest was {job.data_digest} and is {data_digest} now. Submit a new job."
                )
            job.data_digest = data_digest
            job.versions = job.versions or as_json(versions)
            locked.add_event("job_prepared", {"data_digest": data_digest, "versions": versions})
            for kind, data in events:
                locked.add_event(kind, data)

    def record_sizes(self, claim: Claim, sizes: Sequence[SizeVariant]) -> None:
        """Give the sizes of the job the costs that were measured; from then on they stay.

        Args:
            claim: the claim of the caller.
            sizes: all sizes of the job, in order.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            before = spec_from_json(locked.job.spec)
            locked.job.spec = spec_to_json(replace(before, sizes=tuple(sizes)))
            costs = {size.name: size.cost for size in sizes}
            note = ", ".join(f"{name} {cost:.4g}" for name, cost in costs.items())
            locked.add_event("sizes_measured", {"costs": costs, "note": note})

    def append_event(self, claim: Claim, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event to the job's history.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if `data` has no JSON form.
        """
        with self._database.writing() as session:
            lock_claimed_job(self._database, session, claim).add_event(kind, data)


def _begin_claim(locked: LockedJob, owner: str, lease_s: float) -> Claim:
    row = locked.job
    row.lease_epoch += 1
    row.lease_owner = owner
    row.lease_expires_s = locked.now_s + lease_s
    row.claimed_s = locked.now_s
    row.started_s = locked.now_s if row.started_s is None else row.started_s
    locked.add_event("job_claimed", {"owner": owner, "epoch": row.lease_epoch, "state": row.state})
    locked.session.flush()
    is_lone = row.lost_claims >= LONE_AFTER_CLAIMS
    return Claim(job_from_row(row), owner, row.lease_epoch, lease_s, is_lone)


def _lose_dispatcher(locked: LockedJob) -> None:
    """Take the job from the dispatcher whose lease ran out, and plan again what it had in training.

    It counts against the job, unless it was plainly not the job that ended it.
    """
    job = locked.job
    running = locked.running_trials(NOT_LEASED)
    held_s = locked.now_s - (locked.now_s if job.claimed_s is None else job.claimed_s)
    if is_claim_wasted(held_s, len(locked.running_trials())):  # those that workers leased, too
        job.lost_claims += 1
    data = {"owner": job.lease_owner, "times": job.lost_claims, "of": MAX_LOST_CLAIMS}
    locked.add_event("dispatcher_lost", data)
    for trial, network in running:
        locked.lose_trial(trial, network, "the dispatcher was lost.", LossCause.WITH_ALL)
    locked.clear_lease()


def _fail(locked: LockedJob) -> None:
    """End a job that lost too many dispatchers; it can be resumed."""
    job = locked.job
    job.error = (
        f"{job.lost_claims} dispatchers in a row were lost while they worked on the job, and none of its "
        "trainings ended in between. Its strategy, its data or the memory that a solve takes may be the "
        "cause; the log of the dispatcher says how it ended. Resume the job to try it again."
    )
    job.state = JobState.FAILED
    job.finished_s = locked.now_s
    locked.give_back_trials()
    locked.clear_lease()
    locked.add_end({"error": job.error})


def _may_succeed_early(job: JobRow) -> bool:
    """Return whether a job may succeed before its search began: it was stopped, and nothing is trained."""
    return job.stop == Stop.ALL and job.state in (JobState.QUEUED, JobState.PREPARING)


def _reasons(stop_reason: StopReason | None, error: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if stop_reason is not None:
        data["stop_reason"] = stop_reason
    if error is not None:
        data["error"] = error
    return data
