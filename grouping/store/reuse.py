"""Reuse: outcomes are copied from other jobs where training would give the same.

They are copied, scores and affinities included, not referred to: the other job may be deleted afterwards.
Trials of the search are copied as trials of the search, those of the confirmation as such; those of tuned
recipes are not copied.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from grouping.domain.jobs.reuse import Reusable, ReuseSource
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TrialRequest
from grouping.store.codec import (
    group_key,
    joint_affinities_to_row,
    joint_run_from_row,
    new_id,
    task_to_json,
)
from grouping.store.database import CHUNK, Database
from grouping.store.locked_jobs import LockedJob, describe_trial, find_job, lock_claimed_job
from grouping.store.records import Claim
from grouping.store.reuse_sources import (
    Wanted,
    definition_of,
    depends_on,
    find_reusable,
    find_sources,
    known_trials,
)
from grouping.store.rows import JobRow, JointAffinityRow, NetworkRow, ScoreRow, TrialRow
from grouping.store.trials import stored_network, with_epochs

TrialKey = tuple[str, float, str, int, float]
"""Group key, size, purpose, seed, fidelity."""


class ReuseMethods:
    """Methods of the store that copy outcomes from one job to another."""

    _database: Database

    def reuse_sources(self, job_id: str) -> tuple[ReuseSource, ...]:
        """Return the jobs that a job names to be reused, and whether they can be.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            wanted = Wanted.of_row(session, find_job(session, job_id))
            return tuple(source for source, _ in find_sources(session, wanted))

    def reusable_trials(self, job_id: str) -> Reusable:
        """Return outcomes of other jobs that may be copied into a job, whether or not it wants them.

        Before the job's data are known they are taken to be those of the other jobs.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            return find_reusable(session, Wanted.of_row(session, find_job(session, job_id)))

    def reusable_for(self, spec: JobSpec, tasks: Sequence[Task]) -> tuple[tuple[ReuseSource, ...], Reusable]:
        """Return sources and reusable outcomes for a job that is not submitted yet."""
        definitions = {task.name: definition_of(task_to_json(task)) for task in tasks}
        told = depends_on(spec.chosen_trainer, None, spec.epochs)
        wanted = Wanted(
            None,
            spec.problem,
            spec.seed,
            spec.reuse_jobs,
            spec.trainer,
            told,
            None,
            definitions,
            spec.size_names,
        )
        with self._database.reading() as session:
            sources = tuple(source for source, _ in find_sources(session, wanted))
            return sources, find_reusable(session, wanted)

    def plan_reused(
        self, claim: Claim, requests: Sequence[TrialRequest], *, planned_epochs: Sequence[int]
    ) -> int:
        """Add the trials whose outcome another job knows, with that outcome: all or nothing.

        Trials that are planned already or known to no other job are left out. Nothing is charged.

        Args:
            claim: the claim of the caller.
            requests: wanted trials; the network is found by its group and size.
            planned_epochs: epochs of each request.

        Returns:
            Number of trials added.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if a network was not added before, or the two sequences differ in length.
        """
        wanted = with_epochs(requests, planned_epochs)
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            networks = _networks(session, locked.job.score_table_id)
            planned = _planned(session, locked.job.id)
            there, n_trials = set(planned), len(planned)
            known = _originals(session, locked.job, networks)
            copies: dict[str, tuple[TrialRow, NetworkRow]] = {}
            for request, epochs in wanted:
                key, network = _key(request), stored_network(request, networks)
                original = known.get(key)
                if key in there or original is None or original[1] < request.measures_affinity:
                    continue
                trial = _copy(locked, network, original[0], request, n_trials + len(copies), epochs)
                copies[original[0].id] = (trial, network)
                there.add(key)
            session.add_all(trial for trial, _ in copies.values())
            session.flush()
            _copy_results(session, copies)
            for trial, network in copies.values():
                origin = {"from_job": trial.reused_from_job, "from_trial": trial.reused_from_trial}
                outcome = {"state": trial.state, "error": trial.error}
                locked.add_event("trial_reused", describe_trial(trial, network) | origin | outcome)
            added = len(copies)
            if added:
                locked.revise_table()
                n_now = n_trials + added
                locked.add_event("trials_planned", {"added": added, "trials": n_now, "reused": added})
            return added


def _originals(
    session: Session, job: JobRow, networks: dict[tuple[str, float], NetworkRow]
) -> dict[TrialKey, tuple[TrialRow, bool]]:
    """Find trials of other jobs by their keys, and whether their affinities can be copied too."""
    found: dict[TrialKey, tuple[TrialRow, bool]] = {}
    for source, row in find_sources(session, Wanted.of_row(session, job)):
        if row is None or source.obstacle is not None:
            continue
        for trial, network in known_trials(session, row, source.tasks):
            key = (network.group_key, network.size, trial.purpose, trial.seed, trial.fidelity)
            ours = networks.get(key[:2])
            # Affinities are stored in the order of the tasks.
            is_whole = trial.measures_affinity and ours is not None and ours.tasks == network.tasks
            if key not in found or is_whole > found[key][1]:
                found[key] = (trial, is_whole)
    return found


def _key(request: TrialRequest) -> TrialKey:
    network = request.network
    return (group_key(network.group), network.size, str(request.purpose), request.seed, request.fidelity)


def _networks(session: Session, table_id: str) -> dict[tuple[str, float], NetworkRow]:
    rows = session.scalars(select(NetworkRow).where(NetworkRow.score_table_id == table_id))
    return {(row.group_key, row.size): row for row in rows}


def _planned(session: Session, job_id: str) -> list[TrialKey]:
    found = session.execute(
        select(NetworkRow.group_key, NetworkRow.size, TrialRow.purpose, TrialRow.seed, TrialRow.fidelity)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(TrialRow.job_id == job_id)
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


def _copy(
    locked: LockedJob,
    network: NetworkRow,
    original: TrialRow,
    request: TrialRequest,
    position: int,
    epochs: int,
) -> TrialRow:
    return TrialRow(
        id=new_id(),
        job_id=locked.job.id,
        network_id=network.id,
        position=position,
        purpose=request.purpose,
        seed=request.seed,
        fidelity=request.fidelity,
        measures_affinity=request.measures_affinity,
        state=original.state,
        attempts=0,
        planned_epochs=epochs,
        epochs=original.epochs,
        seconds=original.seconds,
        error=original.error,
        fault=original.fault,
        artefact=original.artefact,
        told=original.told,
        finished_s=locked.now_s,
        # Where it was trained, if it was copied there too.
        reused_from_job=original.reused_from_job or original.job_id,
        reused_from_trial=original.reused_from_trial or original.id,
    )


def _copy_results(session: Session, copies: dict[str, tuple[TrialRow, NetworkRow]]) -> None:
    """Copy scores, costs and affinities from originals to copies; those of gradients only where wanted."""
    ids = list(copies)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        for score in session.scalars(select(ScoreRow).where(ScoreRow.trial_id.in_(chunk))).all():
            session.add(_duplicate(score, copies[score.trial_id][0].id))
        costs = session.execute(
            select(TrialRow.id, NetworkRow.costs)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.id.in_(chunk), NetworkRow.costs.is_not(None))
        )
        for trial_id, known in costs.all():
            network = copies[trial_id][1]
            network.costs = {**(known or {}), **(network.costs or {})}
        joint_runs = session.execute(
            select(JointAffinityRow, NetworkRow)
            .join(TrialRow, TrialRow.id == JointAffinityRow.trial_id)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(JointAffinityRow.trial_id.in_(chunk))
        )
        for joint, theirs in joint_runs.all():
            trial, ours = copies[joint.trial_id]
            measured = joint_run_from_row(joint, theirs, trial.seed).affinities
            kept = measured if trial.measures_affinity else measured.without_gradients()
            if kept is not None:
                session.add(joint_affinities_to_row(trial.id, ours.tasks, kept))


def _duplicate(row: ScoreRow, trial_id: str) -> ScoreRow:
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return ScoreRow(**{**values, "trial_id": trial_id})
