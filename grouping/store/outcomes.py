"""Trials as a dispatcher starts them and records what came of them: many in one transaction.

Networks are trained in stacks, and a commit costs as much as training a small one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sqlalchemy import select

from grouping.domain.trials import TaskScore, TrialOutcome, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError
from grouping.store.codec import is_id, joint_affinities_to_row, storable
from grouping.store.database import Database
from grouping.store.history import Entry, describe_trial, enter_claimed
from grouping.store.records import Claim
from grouping.store.rows import NetworkRow, ScoreRow, TrialRow

_CHUNK = 5_000  # bound parameters of one statement: SQLite takes 32,766

_Found = list[tuple[TrialRow, NetworkRow]]


class OutcomeMethods:
    """The part of the store through which a dispatcher starts trials and records their outcomes."""

    _database: Database

    def start_trials(self, claim: Claim, trial_ids: Sequence[str]) -> None:
        """Count an attempt of each, charge for it, and mark them as running: before anything is started.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not planned, or given twice; then none is started.
        """
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            found = _find_trials(entry, trial_ids, TrialState.PLANNED)
            for trial, network in found:
                trial.state = TrialState.RUNNING
                trial.attempts += 1
                trial.started_s = entry.now_s
                entry.add_event("trial_started", describe_trial(trial, network))
            entry.job.charged_trainings += len(found)

    def start_trial(self, claim: Claim, trial_id: str) -> None:
        """As `start_trials`, for one."""
        self.start_trials(claim, [trial_id])

    def record_outcomes(self, claim: Claim, outcomes: Mapping[str, TrialOutcome]) -> None:
        """Record what came out of running trials: ends, scores, affinities, what they cost, all or nothing.

        A caller that repeats this after `StoreUnavailableError` may find it recorded: `StateConflictError`.

        Args:
            claim: the lease it is done under.
            outcomes: by trial, in the order in which they are told.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not running.
            InvalidInputError: if the scores of one are not those of the tasks of its network, one each.
        """
        for outcome in outcomes.values():
            _check_outcome(outcome)
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            found = _find_trials(entry, tuple(outcomes), TrialState.RUNNING)
            for trial, network in found:
                _record(entry, trial, network, outcomes[trial.id])
            if found:
                entry.revise_table()

    def record_outcome(self, claim: Claim, trial_id: str, outcome: TrialOutcome) -> None:
        """As `record_outcomes`, for one."""
        self.record_outcomes(claim, {trial_id: outcome})

    def requeue_trials(self, claim: Claim, trial_ids: Sequence[str], reason: str) -> Mapping[str, TrialState]:
        """Plan running trials again that were lost by no fault of theirs, unless it was the last attempt.

        Args:
            claim: the lease it is done under.
            trial_ids: the trials.
            reason: what happened, in words for the user.

        Returns:
            For each `TrialState.PLANNED`, or `TrialState.FAILED` after the last allowed attempt.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if one is not running, or given twice; then none is planned again.
        """
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            found = _find_trials(entry, trial_ids, TrialState.RUNNING)
            return {trial.id: entry.lose_trial(trial, network, storable(reason)) for trial, network in found}

    def requeue_trial(self, claim: Claim, trial_id: str, reason: str) -> TrialState:
        """As `requeue_trials`, for one."""
        return self.requeue_trials(claim, [trial_id], reason)[trial_id]


def _check_outcome(outcome: TrialOutcome) -> None:
    if outcome.state is TrialState.SKIPPED:
        raise InvalidInputError("A trial that was started cannot be skipped.")
    if not (math.isfinite(outcome.seconds) and outcome.seconds >= 0 and outcome.epochs >= 0):
        raise InvalidInputError("Seconds and epochs of a trial must be finite and not negative.")


def _find_trials(entry: Entry, trial_ids: Sequence[str], state: TrialState) -> _Found:
    """Trials of the job with their networks, in the order given."""
    there: dict[str, tuple[TrialRow, NetworkRow]] = {}
    for trial_id in trial_ids:
        if not is_id(trial_id):
            raise NotFoundError("trial", trial_id)
    for start in range(0, len(trial_ids), _CHUNK):
        chunk = trial_ids[start : start + _CHUNK]
        rows = entry.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.id.in_(chunk), TrialRow.job_id == entry.job.id)
        )
        there |= {trial.id: (trial, network) for trial, network in rows}
    found: _Found = []
    for trial_id in trial_ids:
        if trial_id not in there:
            raise NotFoundError("trial", trial_id)
        trial, network = there[trial_id]
        if trial.state != state:
            raise StateConflictError(f"The trial is {trial.state}; it should be {state} for this.")
        found.append((trial, network))
    if len(there) < len(found):
        raise StateConflictError("A trial was given twice.")
    return found


def _record(entry: Entry, trial: TrialRow, network: NetworkRow, outcome: TrialOutcome) -> None:
    if outcome.scores and sorted(score.task for score in outcome.scores) != sorted(network.tasks):
        raise InvalidInputError(
            f"A succeeded trial has one score for each task of its network: {', '.join(network.tasks)}."
        )
    trial.state = outcome.state
    trial.epochs = outcome.epochs
    trial.seconds = outcome.seconds
    trial.error = None if outcome.error is None else storable(outcome.error)
    trial.finished_s = entry.now_s
    entry.session.add_all(_score_row(trial.id, score) for score in outcome.scores)
    if outcome.affinities is not None:
        entry.session.add(joint_affinities_to_row(trial.id, network.tasks, outcome.affinities))
    entry.job.charged_epochs += outcome.epochs
    entry.job.charged_seconds += outcome.seconds
    data = describe_trial(trial, network) | {
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "losses": {score.task: score.validation_loss for score in outcome.scores},
        "error": trial.error,
    }
    entry.add_event(f"trial_{outcome.state}", data)


def _score_row(trial_id: str, score: TaskScore) -> ScoreRow:
    return ScoreRow(
        trial_id=trial_id,
        task=score.task,
        validation_loss=score.validation_loss + 0.0,
        test_loss=_positive_zero(score.test_loss),
        validation_metric=_positive_zero(score.validation_metric),
        test_metric=_positive_zero(score.test_metric),
    )


def _positive_zero(value: float | None) -> float | None:
    """SQLite drops the sign of a negative zero: adding zero does so on every database."""
    return None if value is None else value + 0.0
