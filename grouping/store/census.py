"""Numbers of the whole database, for those who watch over a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.trials import TrialState
from grouping.store.database import Database
from grouping.store.dispatchers import heard_dispatchers
from grouping.store.rows import DeliveryRow, JobRow, TrialRow


@dataclass(frozen=True, slots=True)
class Census:
    """How much of what there is, at one moment.

    Attributes:
        jobs: number of jobs by state; a state without any is left out.
        trials: number of trials by state, of jobs that have not ended; likewise.
        n_dispatchers: dispatchers that are at work.
        n_deliveries: webhooks that are still to be told of the end of a job.
    """

    jobs: Mapping[JobState, int]
    trials: Mapping[TrialState, int]
    n_dispatchers: int
    n_deliveries: int


class CensusMethods:
    """Methods of the store that count."""

    _database: Database

    def census(self) -> Census:
        """Count; what it costs grows with the number of jobs, and of the trials of those under way."""
        under_way = select(JobRow.id).where(JobRow.state.in_([s for s in JobState if not s.is_final]))
        with self._database.reading() as session:
            jobs = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            trials = session.execute(
                select(TrialRow.state, func.count())
                .where(TrialRow.job_id.in_(under_way))
                .group_by(TrialRow.state)
            )
            return Census(
                {JobState(state): count for state, count in jobs},
                {TrialState(state): count for state, count in trials},
                heard_dispatchers(session, self._database.now_s(session)),
                session.scalar(select(func.count()).select_from(DeliveryRow)) or 0,
            )
