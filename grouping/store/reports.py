"""Reports of trainings while they run: points of learning curves, thinned, and a log, cut in the middle.

A training that is started again begins its curves anew; its log goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from grouping.domain.trainings.progress import Progress
from grouping.errors import NotFoundError
from grouping.store.codec import is_id, storable
from grouping.store.database import CHUNK, Database
from grouping.store.locked_jobs import find_job, lock_claimed_job
from grouping.store.records import Claim, TrialReport
from grouping.store.rows import TrialProgressRow, TrialReportRow, TrialRow

MAX_POINTS = 500
"""The most points that are kept of a training."""
LOG_HEAD = 16 * 1024
LOG_TAIL = 48 * 1024
"""The most characters that are kept of the beginning and the end of a log."""
MAX_NAME = 200
"""Characters of the name of a value beyond which it is cut."""


@dataclass(frozen=True, slots=True)
class TrialLog:
    """The log of a training.

    Attributes:
        head: its beginning.
        tail: its end; empty while `head` is all of it.
        dropped: number of characters that were left out between the two.
    """

    head: str = ""
    tail: str = ""
    dropped: int = 0

    @property
    def text(self) -> str:
        """Both parts, with a line that says what was left out."""
        gap = f"\n[... {self.dropped:,} characters left out ...]\n" if self.dropped else ""
        return f"{self.head}{gap}{self.tail}"

    def with_more(self, text: str) -> TrialLog:
        """Return the log with further text."""
        room = LOG_HEAD - len(self.head)
        tail = self.tail + text[room:]
        excess = max(0, len(tail) - LOG_TAIL)
        return TrialLog(self.head + text[:room], tail[excess:], self.dropped + excess)


class ReportMethods:
    """Methods of the store for what trainings tell while they run."""

    _database: Database

    def report_progress(self, claim: Claim, reports: Mapping[str, TrialReport]) -> None:
        """Keep what trials of the job told; late reports of ended trials, too.

        Args:
            claim: the claim of the caller.
            reports: reports by trial.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial; then nothing is kept.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            if any(report.points for report in reports.values()):
                locked.job.lost_claims = 0  # it gets on
            for trial_id, report in reports.items():
                keep_report(session, _find_trial(session, locked.job.id, trial_id), report)

    def trial_progress(self, job_id: str, trial_id: str) -> tuple[Progress, ...]:
        """Return the kept points of the learning curves of a trial, in the order in which they came.

        At most `MAX_POINTS`: of a longer training every second, fourth, eighth, ... point is kept.

        Raises:
            NotFoundError: if there is no such job, or it has no such trial.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            trial = _find_trial(session, job_id, trial_id)
            rows = session.scalars(
                select(TrialProgressRow)
                .where(TrialProgressRow.trial_id == trial.id)
                .order_by(TrialProgressRow.number)
            )
            return tuple(Progress(row.step, row.values) for row in rows)

    def trial_log(self, job_id: str, trial_id: str) -> TrialLog:
        """Return the log of a trial; an empty one if it told nothing.

        Raises:
            NotFoundError: if there is no such job, or it has no such trial.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            row = session.get(TrialReportRow, _find_trial(session, job_id, trial_id).id)
            return TrialLog() if row is None else TrialLog(row.log_head, row.log_tail, row.log_dropped)


def keep_report(session: Session, trial: TrialRow, report: TrialReport) -> None:
    """Keep what a trial told, in a transaction whose caller has checked who may write."""
    row = session.get(TrialReportRow, trial.id)
    if row is None:
        row = TrialReportRow(
            trial_id=trial.id, attempt=trial.attempts, n_points=0, log_head="", log_tail="", log_dropped=0
        )
        session.add(row)
    text = storable(report.log)
    if row.attempt != trial.attempts:
        session.execute(delete(TrialProgressRow).where(TrialProgressRow.trial_id == trial.id))
        row.attempt, row.n_points = trial.attempts, 0
        text = f"[attempt {trial.attempts}]\n{text}"
    log = TrialLog(row.log_head, row.log_tail, row.log_dropped).with_more(text)
    row.log_head, row.log_tail, row.log_dropped = log.head, log.tail, log.dropped
    _keep_points(session, row, report.points)


def _keep_points(session: Session, row: TrialReportRow, points: Sequence[Progress]) -> None:
    """Add points; where there are too many, keep those whose number a power of two divides."""
    before, row.n_points = _stride(row.n_points), row.n_points + len(points)
    stride = _stride(row.n_points)
    first = row.n_points - len(points)
    if stride > before:
        numbers = session.scalars(
            select(TrialProgressRow.number).where(TrialProgressRow.trial_id == row.trial_id)
        ).all()
        dropped = [number for number in numbers if number % stride]
        for start in range(0, len(dropped), CHUNK):
            session.execute(
                delete(TrialProgressRow).where(
                    TrialProgressRow.trial_id == row.trial_id,
                    TrialProgressRow.number.in_(dropped[start : start + CHUNK]),
                )
            )
    session.flush()  # the row of the trial comes before its points
    session.add_all(
        TrialProgressRow(
            trial_id=row.trial_id,
            number=number,
            step=point.step,
            values={storable(name)[:MAX_NAME]: value for name, value in point.values.items()},
        )
        for number, point in enumerate(points, first)
        if number % stride == 0
    )


def _stride(n_points: int) -> int:
    """Return the smallest power of two of which at most `MAX_POINTS` numbers below are multiples."""
    return 2 ** max(0, math.ceil(math.log2(n_points / MAX_POINTS))) if n_points else 1


def _find_trial(session: Session, job_id: str, trial_id: str) -> TrialRow:
    query = select(TrialRow).where(TrialRow.id == trial_id, TrialRow.job_id == job_id)
    row = session.scalars(query).one_or_none() if is_id(trial_id) else None
    if row is None:
        raise NotFoundError("trial", trial_id)
    return row
