"""Subject of the pages of a score table: the table, and the job that fills it."""

from __future__ import annotations

from dataclasses import dataclass

from grouping.domain.constraints import Constraints
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.sentences import JobSentences
from grouping.store import TableInfo
from grouping.use_cases.table_queries import TableQueries


@dataclass(frozen=True, slots=True)
class Subject:
    """Score table of a page, and its job if it has one."""

    info: TableInfo
    job: Job | None

    @property
    def title(self) -> str:
        """Title for people: that of the job, or the name of the table."""
        if self.job is not None:
            return self.job.name
        return self.info.name or "Score table"

    @property
    def job_sentences(self) -> JobSentences | None:
        """Sentences about the job; None without a job."""
        return None if self.job is None else JobSentences.of(self.job)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in display order."""
        return tuple(task.name for task in self.info.tasks)

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences about what was read and changes the answer of a solve; none of the table of a job."""
        return tuple((self.info.report or {}).get("findings", ()))

    @property
    def standing(self) -> tuple[str, ...]:
        """Demands that hold in every solve unless they are left out, as phrases."""
        of_tasks = Constraints(ceilings_alone={t.name: 1.0 for t in self.info.tasks if t.must_not_worsen})
        of_job = Constraints() if self.job is None else self.job.spec.constraints
        return tuple(of_tasks.merge(of_job).sentences())


def subject_of(table_id: str, queries: TableQueries) -> Subject:
    """Read the subject of a table's pages.

    Raises:
        NotFoundError: if there is no such table.
    """
    info = queries.info(table_id)
    return Subject(info, queries.job(info))
