"""Starts and outcomes of trials, recorded by a dispatcher many in one transaction.

Networks are trained in stacks, and a commit takes as long as training a small one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from grouping.domain.tables.reported import with_losses
from grouping.domain.tasks import Task
from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError
from grouping.store.codec import (
    is_id,
    joint_affinities_to_row,
    score_from_row,
    storable,
    task_from_json,
)
from grouping.store.database import CHUNK, Database
from grouping.store.locked_jobs import LockedJob, describe_trial, lock_claimed_job
from grouping.store.records import Claim
from grouping.store.reported_costs import keep_costs
from grouping.store.rows import NetworkRow, ScoreRow, ScoreTableRow, TrialRow

MAX_COUNT = 2**31 - 1

_Found = list[tuple[TrialRow, NetworkRow]]


class OutcomeMethods:
    """Methods of the store by which a dispatcher starts trials and records their outcomes."""

    _database: Database

    def start_trials(self, claim: Claim, trial_ids: Sequence[str]) -> None:
        """Mark trials as running, with an attempt counted and charged for each, before they are started.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not planned, or given twice; then none is started.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            found = _find_trials(locked, trial_ids, TrialState.PLANNED)
            for trial, network in found:
                locked.start_trial(trial, network)

    def start_trial(self, claim: Claim, trial_id: str) -> None:
        """Start one trial; see `start_trials`."""
        self.start_trials(claim, [trial_id])

    def record_outcomes(self, claim: Claim, outcomes: Mapping[str, TrialOutcome]) -> None:
        """Record the outcomes of running trials, with scores, affinities and costs: all or nothing.

        Values that were reported for tasks which the job defines are turned into losses.

        A caller that repeats this after `StoreUnavailableError` gets `StateConflictError` if it was recorded.

        Args:
            claim: the claim of the caller.
            outcomes: outcomes by trial, in the order of their events.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not running, or leased by a worker.
            InvalidInputError: if the scores of one are not those of the tasks of its network, one each.
        """
        for outcome in outcomes.values():
            check_outcome(outcome)
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            found = _find_trials(locked, tuple(outcomes), TrialState.RUNNING)
            tasks = tasks_of(locked) if found else ()
            for trial, network in found:
                record(locked, trial, network, with_losses(outcomes[trial.id], tasks))
            if found:
                locked.revise_table()

    def record_outcome(self, claim: Claim, trial_id: str, outcome: TrialOutcome) -> None:
        """Record the outcome of one trial; see `record_outcomes`."""
        self.record_outcomes(claim, {trial_id: outcome})

    def requeue_trials(
        self,
        claim: Claim,
        trial_ids: Sequence[str],
        reason: str,
        loss: LossCause,
        *,
        progressed: Collection[str] = (),
    ) -> Mapping[str, TrialState]:
        """Plan lost trials again, or give up those whose losses say so.

        See `grouping.domain.trainings.faults`.

        Args:
            claim: the claim of the caller.
            trial_ids: running trials that were lost.
            reason: reason of the loss, in words for the user.
            loss: how they were lost.
            progressed: those of them whose checkpoint got further than ever before.

        Returns:
            By trial `TrialState.PLANNED` or `TrialState.FAILED`.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not running, leased by a worker, or given twice; then none is
                planned again.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            found = _find_trials(locked, trial_ids, TrialState.RUNNING)
            return {
                trial.id: locked.lose_trial(
                    trial, network, storable(reason), loss, has_progressed=trial.id in progressed
                )
                for trial, network in found
            }

    def requeue_trial(self, claim: Claim, trial_id: str, reason: str, loss: LossCause) -> TrialState:
        """Plan one lost trial again; see `requeue_trials`."""
        return self.requeue_trials(claim, [trial_id], reason, loss)[trial_id]


def check_outcome(outcome: TrialOutcome) -> None:
    """Refuse what cannot be the outcome of a trial that was started.

    Raises:
        InvalidInputError: if it was skipped, or its seconds or epochs are negative or not finite.
    """
    if outcome.state is TrialState.SKIPPED:
        raise InvalidInputError("A trial that was started cannot be skipped.")
    if not (math.isfinite(outcome.seconds) and outcome.seconds >= 0 and outcome.epochs >= 0):
        raise InvalidInputError("Seconds and epochs of a trial must be finite and not negative.")
    n_steps = 0 if outcome.affinities is None else outcome.affinities.n_steps
    if max(outcome.epochs, n_steps) > MAX_COUNT:
        raise InvalidInputError(f"A trial has at most {MAX_COUNT:,} epochs or steps.")


def _find_trials(locked: LockedJob, trial_ids: Sequence[str], state: TrialState) -> _Found:
    """Find trials of the job with their networks, in the order given."""
    there: dict[str, tuple[TrialRow, NetworkRow]] = {}
    for trial_id in trial_ids:
        if not is_id(trial_id):
            raise NotFoundError("trial", trial_id)
    for start in range(0, len(trial_ids), CHUNK):
        chunk = trial_ids[start : start + CHUNK]
        rows = locked.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.id.in_(chunk), TrialRow.job_id == locked.job.id)
        )
        there |= {trial.id: (trial, network) for trial, network in rows}
    found: _Found = []
    for trial_id in trial_ids:
        if trial_id not in there:
            raise NotFoundError("trial", trial_id)
        trial, network = there[trial_id]
        if trial.state != state:
            raise StateConflictError(f"The trial is {trial.state}; it should be {state} for this.")
        if state is TrialState.RUNNING and trial.lease_token is not None:
            raise StateConflictError(f"The trial is leased by {trial.lease_owner}, who alone reports on it.")
        found.append((trial, network))
    if len(there) < len(found):
        raise StateConflictError("A trial was given twice.")
    return found


def tasks_of(locked: LockedJob) -> tuple[Task, ...]:
    """Return the tasks of a job, in display order."""
    table = locked.session.get_one(ScoreTableRow, locked.job.score_table_id)
    return tuple(task_from_json(task) for task in table.tasks)


def record(locked: LockedJob, trial: TrialRow, network: NetworkRow, outcome: TrialOutcome) -> None:
    """Record the outcome of a running trial, its values as losses; the caller revises the table.

    Raises:
        InvalidInputError: if the scores are not those of the tasks of its network, one each.
    """
    if outcome.scores and sorted(score.task for score in outcome.scores) != sorted(network.tasks):
        raise InvalidInputError(
            f"A succeeded trial has one score for each task of its network: {', '.join(network.tasks)}."
        )
    trial.state = outcome.state
    trial.epochs = outcome.epochs
    trial.seconds = outcome.seconds
    trial.error = None if outcome.error is None else storable(outcome.error)
    trial.fault = outcome.fault
    trial.artefact = None if outcome.artefact is None else storable(outcome.artefact)
    keep_costs(network, outcome)
    trial.finished_s = locked.now_s
    locked.session.add_all(score_row(trial.id, score) for score in outcome.scores)
    if outcome.affinities is not None:
        locked.session.add(joint_affinities_to_row(trial.id, network.tasks, outcome.affinities))
    locked.job.lost_claims = 0
    locked.job.charged_epochs += outcome.epochs
    locked.job.charged_seconds += outcome.seconds
    data = describe_trial(trial, network) | {
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "losses": {score.task: score.validation_loss for score in outcome.scores},
        "error": trial.error,
    }
    if outcome.fault is not None:
        data["fault"] = outcome.fault
    locked.add_event(f"trial_{outcome.state}", data)


def score_row(trial_id: str, score: TaskScore) -> ScoreRow:
    """Convert the losses and metrics of a trial on one task to a row."""
    return ScoreRow(
        trial_id=trial_id,
        task=score.task,
        validation_loss=score.validation_loss + 0.0,
        test_loss=_positive_zero(score.test_loss),
        validation_metric=_positive_zero(score.validation_metric),
        test_metric=_positive_zero(score.test_metric),
    )


def _positive_zero(value: float | None) -> float | None:
    """Turn -0.0 into 0.0, as SQLite does, so that every database returns the same."""
    return None if value is None else value + 0.0


def is_recorded(session: Session, trial: TrialRow, outcome: TrialOutcome) -> bool:
    """Return whether this outcome was recorded; how long it took is not compared."""
    rows = session.scalars(select(ScoreRow).where(ScoreRow.trial_id == trial.id))
    scores = {score.task: score for score in map(score_from_row, rows)}
    error = None if outcome.error is None else storable(outcome.error)
    there = (TrialState(trial.state), trial.epochs, trial.error, scores)
    return there == (outcome.state, outcome.epochs, error, {score.task: score for score in outcome.scores})
