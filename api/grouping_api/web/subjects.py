"""Subject of the pages of a score table: the table, and the job that fills it."""

from __future__ import annotations

from dataclasses import dataclass

from grouping.domain.job_sentences import JobSentences
from grouping.domain.jobs import Job
from grouping.store import TableInfo
from grouping.use_cases.table_queries import TableQueries
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
    def job_sentences(self) -> JobSentences | None:
        """Sentences about the job; None without a job."""
        return None if self.job is None else JobSentences.of(self.job)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in display order."""
        return tuple(task.name for task in self.info.tasks)


def subject_of(table_id: str, queries: TableQueries) -> Subject:
    """Read the subject of a table's pages.

    Raises:
        NotFoundError: if there is no such table.
    """
    info = queries.info(table_id)
    return Subject(info, queries.job(info))
