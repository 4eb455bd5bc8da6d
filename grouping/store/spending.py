"""Spending of jobs, summed by the database; each call sees one consistent snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.ledgers import Rate, Shape, Spending
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.store.codec import as_json, trainer_of_spec
from grouping.store.database import Database
from grouping.store.locked_jobs import find_job, network_name
from grouping.store.rows import JobRow, NetworkRow, TrialRow
from grouping.trainers import trainer_class

N_JOBS_OF_BASIS = 20
"""The newest jobs on which training times are measured."""
_N_JOBS_SEEN = 500

_STARTED = (TrialState.RUNNING, TrialState.SUCCEEDED, TrialState.DIVERGED, TrialState.FAILED)
_ENDED = tuple(state for state in _STARTED if state.is_final)
_OUTCOMES = (TrialState.SUCCEEDED, TrialState.DIVERGED)
_TOLD = TrialRow.told.is_not(None)
_COPIED = TrialRow.reused_from_trial.is_not(None) & ~_TOLD
_OWN = TrialRow.reused_from_trial.is_(None) & ~_TOLD


class SpendingMethods:
    """Methods of the store that sum up spending."""

    _database: Database

    def spending(self, job_id: str) -> tuple[Spending, ...]:
        """Sum up what a job has spent, by purpose, fidelity, group size and size; search first.

        Raises:
            NotFoundError: if there is no such job.
        """
        kind = (TrialRow.purpose, NetworkRow.group_size, NetworkRow.size, TrialRow.fidelity)
        with self._database.reading() as session:
            find_job(session, job_id)
            found = session.execute(
                select(*kind, *_sums())
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(TrialRow.job_id == job_id)
                .group_by(*kind)
            ).all()
        rows = [_spending(row[:4], row[4:]) for row in found]
        order = list(Purpose)
        return tuple(sorted(rows, key=lambda r: (order.index(r.purpose), r.fidelity, r.group_size, r.size)))

    def network_spending(
        self, job_id: str, *, limit: int = 50, after: int | None = None
    ) -> tuple[tuple[Spending, ...], int | None]:
        """Sum up what a job has spent on each network, by purpose and fidelity.

        Args:
            job_id: the job.
            limit: the most networks.
            after: continue after the network of this position.

        Returns:
            The rows of one page of networks that have trials, and the position to continue after.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            networks = _page_of_networks(session, job_id, limit + 1, -1 if after is None else after)
            page = networks[:limit]
            names = {network.id: network for network in page}
            found = session.execute(
                select(TrialRow.network_id, TrialRow.purpose, TrialRow.fidelity, *_sums())
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(TrialRow.job_id == job_id, TrialRow.network_id.in_(list(names)))
                .group_by(TrialRow.network_id, TrialRow.purpose, TrialRow.fidelity)
            ).all()
        order = {network.id: n for n, network in enumerate(page)}
        purposes = list(Purpose)
        rows = []
        for row in sorted(found, key=lambda row: (order[row[0]], purposes.index(Purpose(row[1])), row[2])):
            network = names[row[0]]
            kind = (row[1], network.group_size, network.size, row[2])
            rows.append(_spending(kind, row[3:], network_name(network)))
        return tuple(rows), page[-1].position if len(networks) > limit else None

    def count_networks(self, table_id: str) -> Mapping[Shape, int]:
        """Count the measured networks of a score table by group size and size, baselines included."""
        shape = (NetworkRow.group_size, NetworkRow.size)
        with self._database.reading() as session:
            found = session.execute(
                select(*shape, func.count())
                .where(NetworkRow.score_table_id == table_id, NetworkRow.is_measured.is_(True))
                .group_by(*shape)
            )
            return {(group_size, size): count for group_size, size, count in found}

    def training_rates(self, spec: JobSpec) -> tuple[Mapping[Shape, Rate], int]:
        """Measure training times on a problem: jobs with the same trainer, layers, methods and batch size.

        Args:
            spec: job to compare with; learning rate, weight decay and epochs of its recipe do not matter.

        Returns:
            Rates by shape, of the trials that succeeded in the newest `N_JOBS_OF_BASIS` such jobs; and the
            number of jobs that have such a trial.
        """
        with self._database.reading() as session:
            jobs = _jobs_alike(session, spec)
            shape = (NetworkRow.group_size, NetworkRow.size)
            finished = (TrialRow.job_id.in_(jobs), TrialRow.state == TrialState.SUCCEEDED, _OWN)
            found = session.execute(
                select(*shape, func.count(), func.sum(TrialRow.epochs), func.sum(TrialRow.seconds))
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(*finished)
                .group_by(*shape)
            ).all()
            n_jobs = session.scalar(select(func.count(TrialRow.job_id.distinct())).where(*finished)) or 0
        rates = {(row[0], row[1]): Rate(row[2], int(row[3]), float(row[4])) for row in found}
        return rates, n_jobs


def _jobs_alike(session: Session, wanted: JobSpec) -> list[str]:
    newest = session.execute(
        select(JobRow.id, JobRow.spec, JobRow.settled)
        .where(JobRow.data_digest.is_not(None))
        .order_by(JobRow.created_s.desc(), JobRow.id.desc())
        .limit(_N_JOBS_SEEN)
    )
    ours = _duration_key(wanted.chosen_trainer, None)
    alike = []
    for job_id, spec, settled in newest:
        if spec["problem"] == wanted.problem and _duration_key(trainer_of_spec(spec), settled) == ours:
            alike.append(job_id)
    return alike[:N_JOBS_OF_BASIS]


def _duration_key(trainer: Method, settled: Mapping[str, Any] | None) -> tuple[str, Any]:
    """Return what the time of an epoch depends on beside data and network."""
    told = trainer_class(trainer.name).durations_depend_on(trainer.parameters, settled)
    return trainer.name, as_json(told)


def _page_of_networks(session: Session, job_id: str, limit: int, after: int) -> Sequence[NetworkRow]:
    has_trials = select(TrialRow.id).where(TrialRow.network_id == NetworkRow.id).exists()
    return session.scalars(
        select(NetworkRow)
        .join(JobRow, JobRow.score_table_id == NetworkRow.score_table_id)
        .where(JobRow.id == job_id, NetworkRow.position > after, has_trials)
        .order_by(NetworkRow.position)
        .limit(limit)
    ).all()


def _sums() -> tuple[Any, ...]:
    """Return the summed columns in the order of `_spending`."""

    def total(condition: Any, value: Any) -> Any:
        return func.coalesce(func.sum(case((condition, value), else_=0)), 0)

    is_trained = TrialRow.state.in_(_STARTED) & _OWN
    has_succeeded = TrialRow.state == TrialState.SUCCEEDED
    with_outcome = case((TrialRow.state.in_(_OUTCOMES), TrialRow.network_id), else_=None)
    return (
        func.count(with_outcome.distinct()),
        total(is_trained, 1),
        total(TrialRow.state.in_(_ENDED) & _OWN, 1),
        total(_OWN, TrialRow.attempts),
        total(is_trained, TrialRow.epochs),
        total(is_trained, TrialRow.seconds),
        total(_COPIED, 1),
        total(_COPIED, TrialRow.epochs),
        total(_COPIED, TrialRow.seconds),
        total(_TOLD, 1),
        total(TrialRow.state == TrialState.PLANNED, 1),
        total(
            _OWN & (TrialRow.state != TrialState.SKIPPED),
            case((has_succeeded, TrialRow.epochs), else_=TrialRow.planned_epochs),
        ),
    )


def _spending(kind: Sequence[Any], sums: Sequence[Any], network: str = "") -> Spending:
    purpose, group_size, size, fidelity = kind
    networks, trainings, finished, attempts, epochs, seconds, *copied, planned, reserved = sums
    reused, reused_epochs, reused_s, told = copied
    return Spending(
        Purpose(purpose),
        group_size,
        size,
        fidelity,
        network,
        networks,
        int(trainings),
        int(finished),
        int(attempts),
        int(epochs),
        float(seconds),
        int(reused),
        int(reused_epochs),
        float(reused_s),
        int(told),
        int(planned),
        int(reserved),
    )
