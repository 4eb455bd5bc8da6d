"""Client of a service: submits and estimates jobs, imports score tables, finds both again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from grouping.client.assignments import Assignments
from grouping.client.connection import Connection
from grouping.client.contents import content_of
from grouping.client.data_sets import DataSets
from grouping.client.remote_job import RemoteJob
from grouping.client.remote_table import RemoteTable
from grouping.client.tokens import Tokens
from grouping.domain.jobs.query import JobQuery
from grouping.domain.tables.score_table import ScoreTable
from grouping.wire.comparisons import JobComparison
from grouping.wire.estimates import EstimateOut
from grouping.wire.jobs import JobOut, JobPage
from grouping.wire.scores import ScoreTableOut, ScoreTablePage
from grouping.wire.stored_groupings import GroupingComparison

MAX_PAGE_SIZE = 100
"""Items of a list that the service gives at once."""


class Client(Tokens, Assignments, DataSets):
    """Client of one service; see ``Connection`` for its arguments."""

    def _service(self) -> Connection:
        return self

    def _job_ids(self) -> None:
        return None

    def submit(self, *, idempotency_key: str | None = None, **request: Any) -> RemoteJob:
        """Submit a grouping search; the fields are those of ``POST /v1/jobs``.

        Args:
            idempotency_key: submitting twice with the same key gives the same job; a new one unless given.
            **request: ``problem`` and other fields of the request.

        Raises:
            ServiceError: if the request is not acceptable; nothing is stored then.
        """
        return RemoteJob(self, self.create(JobOut, "/v1/jobs", idempotency_key, json=request))

    def estimate(self, *, workers: int | None = None, **request: Any) -> EstimateOut:
        """Estimate the cost of a grouping search; nothing is submitted.

        Args:
            workers: number of trainings at the same time, for the wall time.
            **request: fields of the request, as for `submit`.

        Raises:
            ServiceError: if the request is not acceptable.
        """
        query = {} if workers is None else {"workers": workers}
        return self.read(EstimateOut, "POST", "/v1/jobs/estimate", json=request, params=query)

    def jobs(self, *, limit: int | None = 100, **query: Any) -> list[RemoteJob]:
        """List jobs of the service, newest first.

        Args:
            limit: the most jobs; None for all.
            **query: what is asked for, as by ``GET /v1/jobs``: ``state``, ``problem``, ``name``, ``tag``,
                ``text``, ``sort``.

        Raises:
            InvalidInputError: if a value is not one that can be asked for.
        """
        parameters = JobQuery(**query).parameters()
        return [RemoteJob(self, data) for data in self._all(JobPage, "/v1/jobs", limit, **parameters)]

    def tables(self, *, limit: int | None = 100) -> list[RemoteTable]:
        """List the score tables of jobs and imported ones, newest first; all if `limit` is None."""
        return [RemoteTable(self, data) for data in self._all(ScoreTablePage, "/v1/score-tables", limit)]

    def _all(self, kind: type[Any], path: str, limit: int | None, **parameters: Any) -> list[Any]:
        """Return the items of a list, page by page, `limit` at most."""
        items: list[Any] = []
        token: str | None = None
        while limit is None or len(items) < limit:
            size = MAX_PAGE_SIZE if limit is None else min(MAX_PAGE_SIZE, limit - len(items))
            asked = {**parameters, "page_size": size} | ({} if token is None else {"page_token": token})
            page = self.read(kind, "GET", path, params=asked)
            items += page.items
            token = page.next_page_token
            if token is None:
                break
        return items

    def job(self, job_id: str) -> RemoteJob:
        """Return a job by its identifier, or by its first characters.

        Raises:
            ServiceError: if there is none, or several begin so.
        """
        return RemoteJob(self, self.read(JobOut, "GET", f"/v1/jobs/{job_id}"))

    def compare_jobs(self, a: str, b: str) -> JobComparison:
        """Compare two jobs, by their identifiers; every change is the second minus the first."""
        return self.read(JobComparison, "GET", "/v1/jobs/compare", params={"a": a, "b": b})

    def compare_groupings(self, a: str, b: str) -> GroupingComparison:
        """Compare two stored groupings, by their identifiers; every change is the second minus the first."""
        return self.read(GroupingComparison, "GET", "/v1/groupings/compare", params={"a": a, "b": b})

    def import_table(
        self,
        source: ScoreTable | Path | bytes | str,
        *,
        test: Path | bytes | None = None,
        groups: Path | bytes | None = None,
        name: str = "",
        values: Literal["losses", "gains"] = "losses",
        idempotency_key: str | None = None,
    ) -> RemoteTable:
        """Store a score table that was measured elsewhere; `RemoteTable.report` says how it was understood.

        Args:
            source: a table, a file, its content, or text such as that of a CSV file.
            test: test losses of the same networks, where they are in a file of their own.
            groups: multi-hot file beside a source that has values only: a row per network, 1 for each task
                in it.
            name: label for people; the name of the file unless given.
            values: whether the cells are losses or gains; gains become losses as ``1 - gain``.
            idempotency_key: importing twice with the same key gives the same table; a new one unless given.

        Raises:
            TableFormatError: if a file cannot be read.
            ServiceError: if it is no score table; nothing is stored then.
        """
        file_name = source.name if isinstance(source, Path) else ""
        files = {"file": (file_name or "table", content_of(source))}
        if test is not None:
            files["test_file"] = ("test", content_of(test))
        if groups is not None:
            files["groups_file"] = ("groups", content_of(groups))
        said = {"name": name or Path(file_name).stem, "values": values}
        path = "/v1/score-tables"
        return RemoteTable(self, self.create(ScoreTableOut, path, idempotency_key, files=files, params=said))

    def table(self, table_id: str) -> RemoteTable:
        """Return a score table by its identifier, imported or of a job.

        Raises:
            ServiceError: if there is none.
        """
        return RemoteTable(self, self.read(ScoreTableOut, "GET", f"/v1/score-tables/{table_id}"))
