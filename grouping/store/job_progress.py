"""Progress of a job in the store: its trials, events and charges; each call sees one snapshot."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from grouping.domain.jobs.job import Event, JobState, Ledger, Stop
from grouping.domain.jobs.search_state import SearchState
from grouping.domain.trainings.trials import Purpose, Trial, TrialState
from grouping.store.codec import event_from_row, network_from_row, spec_from_json, task_from_json
from grouping.store.database import CHUNK, Database
from grouping.store.imports import find_table
from grouping.store.latencies import known_costs
from grouping.store.locked_jobs import find_job
from grouping.store.records import EventHead, ProgressRow
from grouping.store.reuse_sources import Wanted, find_reusable
from grouping.store.rows import EventRow, JobRow, NetworkRow, TrialRow
from grouping.store.score_tables import network_rows, read_affinities
from grouping.store.trial_reading import read_trials

MAX_EVENTS = 5_000


class ProgressMethods:
    """Methods of the store that read the progress of a job."""

    _database: Database

    def ledger(self, job_id: str) -> Ledger:
        """Return the charges of a job so far, lost attempts included.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            job = find_job(session, job_id)
            return Ledger(job.charged_trainings, job.charged_epochs, job.charged_seconds)

    def progress(self, job_id: str) -> tuple[ProgressRow, ...]:
        """Count trials in each state by purpose, fidelity, group size and size; search first.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            kind = (TrialRow.purpose, TrialRow.fidelity, NetworkRow.group_size, NetworkRow.size)
            found = session.execute(
                select(*kind, TrialRow.state, func.count())
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(TrialRow.job_id == job_id)
                .group_by(*kind, TrialRow.state)
            )
            counts: dict[tuple[str, float, int, float], dict[str, int]] = {}
            for purpose, fidelity, group_size, size, state, count in found:
                counts.setdefault((purpose, fidelity, group_size, size), {})[state] = count
        order = list(Purpose)
        rows = [
            ProgressRow(Purpose(purpose), group_size, size, fidelity, **states)
            for (purpose, fidelity, group_size, size), states in counts.items()
        ]
        rows.sort(key=lambda row: (order.index(row.purpose), row.fidelity, row.group_size, row.size))
        return tuple(rows)

    def trials(
        self, job_id: str, *, states: Collection[TrialState] | None = None, limit: int | None = None
    ) -> tuple[Trial, ...]:
        """Return trials of the job with their scores, in the order of the plan.

        Args:
            job_id: the job.
            states: states of the trials to return; all when None.
            limit: the most trials to return, from the first; all when None.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            chosen = TrialRow.job_id == job_id
            if states is not None:
                chosen &= TrialRow.state.in_([str(state) for state in states])
            if limit is not None:
                first = select(TrialRow.id).where(chosen).order_by(TrialRow.position).limit(limit)
                chosen = TrialRow.id.in_(session.scalars(first).all())
            return read_trials(session, chosen)

    def search_state(self, job_id: str, *, with_reuse: bool = True) -> SearchState:
        """Return everything that is known of the search of a job, read in one transaction.

        Args:
            job_id: the job.
            with_reuse: whether to look for outcomes in the other jobs that it names.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            job = find_job(session, job_id)
            table = find_table(session, job.score_table_id)
            known = with_reuse and job.spec.get("reuse_jobs")
            spec = spec_from_json(job.spec)
            rows = network_rows(session, table.id)
            return SearchState(
                tasks=tuple(task_from_json(task) for task in table.tasks),
                trials=read_trials(session, TrialRow.job_id == job_id),
                networks=tuple(map(network_from_row, rows)),
                affinities=read_affinities(session, table, Purpose.SEARCH, 1.0),
                known_elsewhere=find_reusable(session, Wanted.of_row(session, job)) if known else {},
                spent=Ledger(job.charged_trainings, job.charged_epochs, job.charged_seconds),
                other_costs=known_costs(spec.sizes, rows) if spec.constraints.limits else {},
                stop=None if job.stop is None else Stop(job.stop),
            )

    def event_heads(self, job_ids: Collection[str]) -> dict[str, EventHead]:
        """Return state and last event of jobs, by identifier; those that do not exist are left out."""
        last = select(func.max(EventRow.number)).where(EventRow.job_id == JobRow.id).scalar_subquery()
        found: dict[str, EventHead] = {}
        ids = sorted(job_ids)
        with self._database.reading() as session:
            for start in range(0, len(ids), CHUNK):
                chunk = ids[start : start + CHUNK]
                rows = session.execute(select(JobRow.id, JobRow.state, last).where(JobRow.id.in_(chunk)))
                found |= {row[0]: EventHead(JobState(row[1]), row[2] or 0) for row in rows}
        return found

    def find_last_event(self, job_id: str, kind: str) -> Event | None:
        """Return the last event of a kind in the job's history; None where there is none.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            row = session.scalar(
                select(EventRow)
                .where(EventRow.job_id == job_id, EventRow.kind == kind)
                .order_by(EventRow.number.desc())
                .limit(1)
            )
            return None if row is None else event_from_row(row)

    def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> tuple[Event, ...]:
        """Return events of the job with numbers above `after`, in order, at most 5,000 at once.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            rows = session.scalars(
                select(EventRow)
                .where(EventRow.job_id == job_id, EventRow.number > after)
                .order_by(EventRow.number)
                .limit(max(1, min(limit, MAX_EVENTS)))
            )
            return tuple(event_from_row(row) for row in rows)
