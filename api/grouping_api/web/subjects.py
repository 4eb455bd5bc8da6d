"""Subject of the pages of a score table: the table, and the job that fills it."""

from __future__ import annotations

from dataclasses import dataclass

from grouping.domain.jobs import Job
from grouping.domain.standing import Standing
from grouping.store import TableInfo
from grouping.use_cases.read_table import Readings
from grouping_api.web.job_view import job_title


@dataclass(frozen=True, slots=True)
class Subject:
    """Score table of a page, and its job if it has one."""

    info: TableInfo
    job: Job | None

    @property
    def title(self) -> str:
        """Title for people: that of the job, or the name of the table."""
        if self.job is not None:
            return job_title(self.job)
        return self.info.name or "Score table"

    @property
    def standing(self) -> Standing | None:
        """Standing of the job; None without a job."""
        return None if self.job is None else Standing.of(self.job)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in display order."""
        return tuple(task.name for task in self.info.tasks)


def subject_of(table_id: str, readings: Readings) -> Subject:
    """Read the subject of a table's pages.

    Raises:
        NotFoundError: if there is no such table.
    """
    info = readings.info(table_id)
    return Subject(info, readings.job(info))
