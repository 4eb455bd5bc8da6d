"""Results told from outside: each is a trial of the search from the moment on at which it is told.

They are written under the lock of the job and not under its lease, at any time before it has succeeded. What
a network costs is the job's to measure: one that is told first stands at its nominal cost until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tables.finished_results import (
    FinishedResults,
    FittingResult,
    FittingResults,
    fit_results,
)
from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialState
from grouping.errors import InvalidInputError, StateConflictError
from grouping.store.codec import (
    group_key,
    network_from_row,
    network_to_row,
    new_id,
    spec_from_json,
    storable,
)
from grouping.store.database import Database
from grouping.store.locked_jobs import LockedJob, find_job, lock_claimed_job, lock_job, network_name
from grouping.store.outcomes import score_row, tasks_of
from grouping.store.records import AddedResults, Claim
from grouping.store.reported_costs import keep_costs
from grouping.store.rows import NetworkRow, ScoreRow, TrialRow
from grouping.store.trial_reading import read_trials

Refused = Mapping[frozenset[str], str]
"""Groups that no result from outside can stand for, and why."""


class ResultMethods:
    """Methods of the store for results that are told from outside."""

    _database: Database

    def add_results(
        self,
        job_id: str,
        results: FinishedResults,
        *,
        refused: Refused | None = None,
        dry_run: bool = False,
    ) -> AddedResults:
        """Add finished trainings to the search of a job: all of them, or none.

        Each takes the place of the trial that would train the same; what the job knows already with the same
        values is left as it is, so that telling again changes nothing. Nothing is charged.

        Args:
            job_id: the job.
            results: what is told.
            refused: groups that no result from outside can stand for, and why.
            dry_run: store nothing, and only say what would be added.

        Raises:
            NotFoundError: if there is no such job.
            StateConflictError: if it has succeeded, or is being cancelled.
            ResultsRefusedError: if one does not fit; says which, and why.
            InvalidInputError: if they are told of other data than the job's.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            _check_state(JobState(locked.job.state))
            _check_data(results.data, locked.job.data_digest)
            added = add_to(locked, results, refused)
            if dry_run:
                session.rollback()
            return added

    def count_told(self, job_id: str) -> int:
        """Count the trials of a job that were told from outside, those of other jobs that it copied included.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            return count_told(session, find_job(session, job_id).id)

    def unmeasured_networks(self, job_id: str) -> tuple[Network, ...]:
        """Return the networks of a job of which results were told, and whose cost is not measured yet.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            table_id = find_job(session, job_id).score_table_id
            rows = session.scalars(
                select(NetworkRow)
                .where(NetworkRow.score_table_id == table_id, NetworkRow.is_measured.is_(False))
                .order_by(NetworkRow.position)
            )
            return tuple(network_from_row(row) for row in rows)

    def leave_out_results(self, claim: Claim, networks: Mapping[Network, str]) -> None:
        """Give up the results of networks that cannot be built, with the reason for each.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            wanted = {(group_key(n.group), n.size): reason for n, reason in networks.items()}
            for row in session.scalars(
                select(NetworkRow).where(
                    NetworkRow.score_table_id == locked.job.score_table_id, NetworkRow.is_measured.is_(False)
                )
            ).all():
                reason = wanted.get((row.group_key, row.size))
                if reason is not None:
                    row.is_measured = True
                    _give_up(locked, row, storable(reason))
            locked.revise_table()


def count_told(session: Session, job_id: str) -> int:
    """Count the trials of a job that were told from outside, and those it copied that were."""
    chosen = (TrialRow.job_id == job_id) & TrialRow.told.is_not(None)
    return session.scalar(select(func.count()).select_from(TrialRow).where(chosen)) or 0


def add_to(locked: LockedJob, results: FinishedResults, refused: Refused | None = None) -> AddedResults:
    """Add finished trainings to a job that is locked; see `ResultMethods.add_results`."""
    session, job = locked.session, locked.job
    spec = spec_from_json(job.spec)
    trials = read_trials(session, TrialRow.job_id == job.id)
    fitting = fit_results(
        results,
        tasks_of(locked),
        SearchTerms.of_job(spec),
        trials,
        size_names=spec.size_names,
        refused=refused,
    )
    added = len(fitting.new)
    if added:
        told = {
            "source": storable(results.source),
            "told_by": storable(results.told_by),
            "at_s": locked.now_s,
        }
        _write(locked, fitting, told)
        locked.revise_table()
        locked.add_event("results_added", {"added": added, "known": fitting.n_known, **told})
    session.flush()
    return AddedResults(added, fitting.n_known)


def _check_state(state: JobState) -> None:
    if state is JobState.SUCCEEDED:
        raise StateConflictError(
            "The job has succeeded: its recommendation is confirmed, and stays. To search on with further "
            "results, clone it and add them to the clone."
        )
    if state is JobState.CANCELLING:
        raise StateConflictError("The job is being cancelled; add results when it has ended.")


def _check_data(told: str | None, digest: str | None) -> None:
    if told is None:
        return
    if digest is None:
        raise InvalidInputError(
            "The data of the job are not known before it is prepared: leave the digest out, or add the "
            "results when the job is running.",
            pointer="/data",
        )
    if told != digest:
        raise InvalidInputError(
            f"The results are of other data: their digest is {told[:80]}, that of the job {digest}. "
            "Scores on different data cannot be compared.",
            pointer="/data",
        )


def _write(locked: LockedJob, fitting: FittingResults, told: Mapping[str, Any]) -> None:
    session, job = locked.session, locked.job
    rows = session.scalars(select(NetworkRow).where(NetworkRow.score_table_id == job.score_table_id)).all()
    networks = {(row.group_key, row.size): row for row in rows}
    order = [task.name for task in tasks_of(locked)]
    for network in {result.request.network.key: result.request.network for result in fitting.new}.values():
        place = (group_key(network.group), network.size)
        if place not in networks:
            nominal = MeasuredNetwork(network)
            row = network_to_row(job.score_table_id, len(networks), order, nominal, is_measured=False)
            networks[place] = row
            session.add(row)
    session.flush()
    present = session.scalars(select(TrialRow).where(TrialRow.job_id == job.id)).all()
    trials = {trial.key: trial for trial in present}
    written: list[tuple[TrialRow, NetworkRow, FittingResult]] = []
    for result in fitting.new:
        request = result.request
        row = networks[group_key(request.network.group), request.network.size]
        key = (row.id, str(request.purpose), request.seed, request.fidelity, *request.variant)
        trial = trials.get(key)
        if trial is None:
            trial = _trial_row(job.id, row.id, len(trials), result)
            trials[key] = trial
            session.add(trial)
        written.append((trial, row, result))
    session.flush()
    for trial, row, result in written:
        _tell(locked, trial, row, result, told)


def _tell(
    locked: LockedJob,
    trial: TrialRow,
    network: NetworkRow,
    result: FittingResult,
    told: Mapping[str, Any],
) -> None:
    """Make a trial that nobody has trained the one that was told."""
    # What lost attempts of it took is with the charges of the job; the trial itself took nothing here.
    trial.state = TrialState.SUCCEEDED
    trial.attempts = trial.planned_epochs = trial.epochs = 0
    trial.seconds = 0.0
    trial.error = trial.started_s = trial.fault = None
    trial.finished_s = locked.now_s
    trial.told = dict(told)
    keep_costs(network, TrialOutcome(TrialState.SUCCEEDED, result.scores, costs=result.costs))
    locked.session.add_all(score_row(trial.id, score) for score in result.scores)


def _give_up(locked: LockedJob, network: NetworkRow, reason: str) -> None:
    trials = locked.session.scalars(
        select(TrialRow).where(TrialRow.network_id == network.id, TrialRow.told.is_not(None))
    ).all()
    for trial in trials:
        trial.state = TrialState.FAILED
        trial.fault = Fault.USER
        trial.error = reason
    ids = [trial.id for trial in trials]
    locked.session.execute(delete(ScoreRow).where(ScoreRow.trial_id.in_(ids)))
    locked.add_event(
        "results_left_out",
        {"network": network_name(network), "reason": reason, "results": len(ids)},
    )


def _trial_row(job_id: str, network_id: str, position: int, result: FittingResult) -> TrialRow:
    return TrialRow(
        id=new_id(),
        job_id=job_id,
        network_id=network_id,
        position=position,
        purpose=Purpose.SEARCH,
        seed=result.request.seed,
        fidelity=result.request.fidelity,
        measures_affinity=False,
        state=TrialState.SUCCEEDED,
        attempts=0,
        planned_epochs=0,
        epochs=0,
        seconds=0.0,
    )
