"""Job of a service: state, results, actions, and waiting for its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from grouping.client.assignments import Assignments
from grouping.client.bundles import Bundles
from grouping.client.connection import POLL_S, Connection
from grouping.client.contents import content_of
from grouping.client.remote_table import TableViews
from grouping.domain.jobs.job import JobState
from grouping.domain.tables.formats import TableFormat
from grouping.domain.tables.result_values import ResultValues
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError, StoreUnavailableError
from grouping.wire.estimates import EstimateOut
from grouping.wire.groupings import RecommendationList, RecommendationOut
from grouping.wire.jobs import (
    EventOut,
    EventPage,
    JobDeletionOut,
    JobOut,
    ProgressOut,
    ProgressPointOut,
    TrialList,
    TrialLogOut,
    TrialOut,
    TrialProgressOut,
)
from grouping.wire.ledgers import JobLedgerOut
from grouping.wire.results import ResultsAddedOut

PATIENCE_S = 60.0
"""How long `RemoteJob.wait` puts up with a service that does not answer, such as one that starts anew."""


class RemoteJob(TableViews, Assignments, Bundles):
    """A job of the service, as last read.

    Attributes:
        data: the job as the service describes it; `refresh` reads it anew.
    """

    def __init__(self, client: Connection, data: JobOut) -> None:
        self._client = client
        self.data = data

    def _service(self) -> Connection:
        return self._client

    def _job_ids(self) -> Sequence[str]:
        return [self.id]

    def __repr__(self) -> str:
        return f"RemoteJob({self.id}, {self.state.value})"

    @property
    def id(self) -> str:
        """Identifier of the job."""
        return self.data.id

    @property
    def state(self) -> JobState:
        """State of the job when last read."""
        return self.data.state

    @property
    def url(self) -> str:
        """Address of its page in the web view."""
        return f"{self._client.url}/jobs/{self.id}"

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        label = escape(self.data.name or self.id)
        problem = escape(self.data.spec.problem or self.data.spec.trainer.name)
        return f"<p>Job <a href='{escape(self.url)}'>{label}</a> on {problem}: {self.state.value}</p>"

    def refresh(self) -> RemoteJob:
        """Read the job anew."""
        self.data = self._client.read(JobOut, "GET", f"/v1/jobs/{self.id}")
        return self

    def wait(
        self,
        *,
        on_progress: Callable[[ProgressOut], None] | None = None,
        on_event: Callable[[EventOut], None] | None = None,
        timeout_s: float | None = None,
    ) -> RemoteJob:
        """Wait for a final state.

        Args:
            on_progress: callback for the answer of ``GET /v1/jobs/{id}/progress`` whenever it changes.
            on_event: callback for each event in the history of the job, those from before the call too.
            timeout_s: seconds after which to give up; None for no limit.

        Raises:
            TimeoutError: if it takes longer.
            StoreUnavailableError: if the service does not answer for ``PATIENCE_S``.
        """
        started = answered = time.monotonic()
        n_told = 0
        while True:
            try:
                self.refresh()
                events = self.events(after=n_told) if on_event is not None else []
                progress = self.progress()  # after the state: the last one told is that of the end
                answered = time.monotonic()
            except StoreUnavailableError:
                if time.monotonic() - answered > PATIENCE_S:
                    raise
            else:
                for event in events:
                    assert on_event is not None
                    on_event(event)
                    n_told = event.number
                if on_progress is not None:
                    on_progress(progress)
                if self.state.is_final:
                    return self
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"Job {self.id} is still {self.state.value} after {timeout_s:g} s.")
            time.sleep(POLL_S)

    def progress(self) -> ProgressOut:
        """Return the numbers of trials by purpose, group size and state, and the spending."""
        return self._client.read(ProgressOut, "GET", f"/v1/jobs/{self.id}/progress")

    def events(self, after: int = 0) -> list[EventOut]:
        """Return the history of the job, oldest first: the events that follow that number, 1,000 at most."""
        query = {"after": after, "limit": 1000}
        return self._client.read(EventPage, "GET", f"/v1/jobs/{self.id}/events", params=query).items

    def trials(self) -> list[TrialOut]:
        """Return the trainings of the job with their scores, in the order of the plan."""
        return self._client.read(TrialList, "GET", f"/v1/jobs/{self.id}/trials").items

    def trial_log(self, trial_id: str) -> TrialLogOut:
        """Return what a training has printed so far."""
        return self._client.read(TrialLogOut, "GET", f"/v1/jobs/{self.id}/trials/{trial_id}/log")

    def trial_progress(self, trial_id: str) -> list[ProgressPointOut]:
        """Return the learning curves of a training so far."""
        path = f"/v1/jobs/{self.id}/trials/{trial_id}/progress"
        return self._client.read(TrialProgressOut, "GET", path).items

    def ledger(self) -> JobLedgerOut:
        """Return what the job has spent and saved, with the rows of all its networks."""
        address = f"/v1/jobs/{self.id}/ledger"
        page = self._client.read(JobLedgerOut, "GET", address, params={"page_size": 100})
        items = page.items
        while page.next_page_token is not None:
            query = {"page_size": 100, "page_token": page.next_page_token}
            page = self._client.read(JobLedgerOut, "GET", address, params=query)
            items = items + page.items
        return page.model_copy(update={"items": items})

    def clone(self, *, idempotency_key: str | None = None, **changes: Any) -> RemoteJob:
        """Submit a copy of this job with changes, and train only what differs; ``POST /v1/jobs/{id}/clone``.

        Args:
            idempotency_key: cloning twice with the same key gives the same job; a new one unless given.
            **changes: fields of the request, such as ``add_tasks`` and ``drop_tasks``.

        Raises:
            ServiceError: if the changes are not acceptable; nothing is stored then.
        """
        path = f"/v1/jobs/{self.id}/clone"
        return RemoteJob(self._client, self._client.create(JobOut, path, idempotency_key, json=changes))

    def estimate_clone(self, *, workers: int | None = None, **changes: Any) -> EstimateOut:
        """Estimate what a copy of this job with changes would train; nothing is submitted.

        Args:
            workers: number of trainings at the same time, for the wall time.
            **changes: fields of the request, as for `clone`.

        Raises:
            ServiceError: if the changes are not acceptable.
        """
        path, query = f"/v1/jobs/{self.id}/clone/estimate", {} if workers is None else {"workers": workers}
        return self._client.read(EstimateOut, "POST", path, json=changes, params=query)

    def add_results(
        self,
        source: ScoreTable | Path | bytes | str | Sequence[Mapping[str, Any]],
        *,
        test: Path | bytes | None = None,
        name: str = "",
        told_by: str = "",
        values: ResultValues | str | None = None,
        data: str | None = None,
        format: TableFormat | str | None = None,  # noqa: A002
        dry_run: bool = False,
    ) -> ResultsAddedOut:
        """Count trainings that were carried out elsewhere as trained; ``POST /v1/jobs/{id}/results``.

        All that are told are taken, or none; the same again changes nothing.

        Args:
            source: a table, a file in any layout of score tables, its content, text such as that of a CSV
                file; or trainings as mappings, such as
                ``{"tasks": ["a", "b"], "seed": 0, "validation": {"a": 0.3, "b": 0.2}}``.
            test: test values of the same rows, where they are in a file of their own.
            name: where they come from, for people; the name of the file unless given.
            told_by: who tells them, for people.
            values: ``reported`` for what the trainer would report, ``losses`` for losses as in an exported
                score table; may be left out where both are the same.
            data: digest of the data, compared with that of the job; None if not known.
            format: format of a file; told by its content unless given.
            dry_run: add nothing, and only say what would be.

        Raises:
            TableFormatError: if a file cannot be read.
            ServiceError: if the results do not fit, says which and why, or the job has succeeded.
        """
        path = f"/v1/jobs/{self.id}/results"
        said = {"told_by": told_by, "values": values, "data": data}
        if not isinstance(source, (ScoreTable, Path, bytes, str)):
            listed = {"trainings": list(source), "source": name, **said}
            asked = {"dry_run": True} if dry_run else {}
            return self._client.read(ResultsAddedOut, "POST", path, json=listed, params=asked)
        file_name = source.name if isinstance(source, Path) else ""
        files = {"file": (file_name or "table", content_of(source))}
        if test is not None:
            files["test_file"] = ("test", content_of(test))
        if format is not None:  # "wide_csv" here is "csv" over HTTP
            said["format"] = TableFormat(format).value.removeprefix("wide_").replace("_", "-")
        query = {
            "source": name or file_name,
            **{key: value for key, value in said.items() if value},
            **({"dry_run": True} if dry_run else {}),
        }
        return self._client.read(ResultsAddedOut, "POST", path, files=files, params=query)

    def measure_pairs(self, *, idempotency_key: str | None = None) -> RemoteJob:
        """Submit a job that trains every single task and pair at full size, and copies outcomes of this one.

        Its pairwise matrix will be complete; ``affinity().attrs["missing"]`` has the number of trainings.

        Args:
            idempotency_key: the same key gives the same job; a new one unless given.

        Raises:
            InvalidInputError: if nothing is missing, this job is not over, or none can train it; says why.
        """
        missing = self.affinity_answer().missing
        if missing is None:
            raise InvalidInputError("Every single task and every pair is measured at full size already.")
        if missing.job is None:
            raise InvalidInputError(missing.sentence)
        request = missing.job.model_dump(mode="json")
        return RemoteJob(self._client, self._client.create(JobOut, "/v1/jobs", idempotency_key, json=request))

    def label(
        self,
        *,
        name: str | None = None,
        note: str | None = None,
        add_tags: Sequence[str] = (),
        drop_tags: Sequence[str] = (),
    ) -> RemoteJob:
        """Change name, note or tags of the job; what is left out stays.

        Args:
            name: new name; empty for the one that a job without a name gets.
            note: new note; empty for none.
            add_tags: tags to add.
            drop_tags: tags to remove.

        Raises:
            ServiceError: if a label is too long or no tag.
        """
        said = {"name": name, "note": note}
        changes = {label: text for label, text in said.items() if text is not None}
        tags = {"add_tags": list(add_tags), "drop_tags": list(drop_tags)}
        self.data = self._client.read(JobOut, "PATCH", f"/v1/jobs/{self.id}", json={**changes, **tags})
        return self

    def delete(self, *, dry_run: bool = False) -> JobDeletionOut:
        """Delete the job with its scores, and return what becomes of what depends on it.

        Args:
            dry_run: delete nothing, and only say it.

        Raises:
            ServiceError: if the job has not ended.
        """
        query = {"dry_run": dry_run}
        return self._client.read(JobDeletionOut, "DELETE", f"/v1/jobs/{self.id}", params=query)

    def stop(self, *, confirm: bool = True) -> RemoteJob:
        """Ask the service to train no further network to search, and to recommend from what is there.

        Args:
            confirm: whether what is chosen is still trained with fresh seeds; else nothing is trained at all.

        Raises:
            ServiceError: if the job has ended, or nothing is there to recommend from.
        """
        path, query = f"/v1/jobs/{self.id}/stop", {"confirm": confirm}
        self.data = self._client.read(JobOut, "POST", path, params=query)
        return self

    def pause(self) -> RemoteJob:
        """Ask the service to begin no training of the job until it is resumed."""
        self.data = self._client.read(JobOut, "POST", f"/v1/jobs/{self.id}/pause")
        return self

    def cancel(self) -> RemoteJob:
        """Ask the service to cancel the job."""
        self.data = self._client.read(JobOut, "POST", f"/v1/jobs/{self.id}/cancel")
        return self

    def resume(self) -> RemoteJob:
        """Continue the job, paused or ended, from its stored scores."""
        self.data = self._client.read(JobOut, "POST", f"/v1/jobs/{self.id}/resume")
        return self

    def recommendations(self) -> list[RecommendationOut]:
        """Return the recommendation for each of its inference budgets, with the verdict on fresh seeds."""
        path = f"/v1/jobs/{self.id}/recommendations"
        return self._client.read(RecommendationList, "GET", path).items

    @property
    def table_id(self) -> str:
        """Identifier of the job's score table."""
        return self.data.score_table_id
