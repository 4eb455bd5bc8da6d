"""A client of the HTTP API, for scripts and notebooks.

client = Client("http://127.0.0.1:8000")
job = client.submit(problem="digits", budgets_snt=[2, 3])
job.wait()
job.recommendations()
job.scores()        # a DataFrame

table = client.import_table(Path("table.csv"), name="mine")   # nothing is trained
table.solve(1.5, constraints={"apart": [["depth", "edges"]]})
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx
import pandas as pd

from grouping.domain.jobs import JobState
from grouping.domain.scores import ScoreTable
from grouping.errors import GroupingError, InvalidInputError, StoreUnavailableError, TableFormatError
from grouping.formats import TableFormat, write_table

POLL_S = 0.5
PATIENCE_S = 60.0
"""How long `Job.wait` puts up with a service that does not answer, such as one that is being restarted."""


class ServiceError(GroupingError):
    """The service refused a request.

    Attributes:
        status: HTTP status.
        code: the service's stable error code.
        errors: one entry per offending field, with ``pointer`` and ``message``.
    """

    def __init__(self, status: int, code: str, message: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = errors


class Client:
    """Talks to one service.

    Args:
        url: its address.
        token: the API token, where the service asks for one.
        timeout_s: for each request.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout_s: float = 30.0
    ):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return its JSON answer, None where there is none.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        response = self._send(method, path, **options)
        return response.json() if response.content else None

    def download(self, path: str, **parameters: Any) -> bytes:
        """The content of a file that the service makes.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        return self._send("GET", path, params=parameters).content

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.UnsupportedProtocol as error:
            raise InvalidInputError(
                f"{self.url} is no address of a service; write http://host:port."
            ) from error
        except ValueError as error:  # JSON knows no infinity and no NaN
            raise InvalidInputError("The request holds a number that is not finite.") from error
        except httpx.TransportError as error:
            raise StoreUnavailableError(
                f"The service at {self.url} does not answer ({error}). Start it with: grouping serve"
            ) from error
        if response.is_success:
            return response
        raise _error_of(response)

    def submit(self, *, idempotency_key: str | None = None, **request: Any) -> RemoteJob:
        """Submit a grouping search; the fields are those of ``POST /v1/jobs``.

        Args:
            idempotency_key: submitting twice with the same key gives the same job; a new one unless given.
            **request: ``problem`` and whatever else is wanted.

        Raises:
            ServiceError: if the request is not acceptable; nothing is stored then.
        """
        return RemoteJob(self, self.create("/v1/jobs", idempotency_key, json=request))

    def estimate(self, *, workers: int | None = None, **request: Any) -> dict[str, Any]:
        """What a grouping search would cost; nothing is submitted.

        Args:
            workers: trainings at the same time, for the wall time.
            **request: as for `submit`.

        Raises:
            ServiceError: if the request is not acceptable.
        """
        query = {} if workers is None else {"workers": workers}
        return dict(self.request("POST", "/v1/jobs/estimate", json=request, params=query))

    def create(self, path: str, idempotency_key: str | None = None, **options: Any) -> Any:
        """Send a request that makes something, once more if its answer is lost; the key makes it one thing.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        options["headers"] = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        try:
            return self.request("POST", path, **options)
        except StoreUnavailableError:
            time.sleep(POLL_S)
            return self.request("POST", path, **options)

    def job(self, job_id: str) -> RemoteJob:
        """A job by its identifier.

        Raises:
            ServiceError: if there is none.
        """
        return RemoteJob(self, self.request("GET", f"/v1/jobs/{job_id}"))

    def import_table(
        self,
        source: ScoreTable | Path | bytes | str,
        *,
        test: Path | bytes | None = None,
        name: str = "",
        values: Literal["losses", "gains"] = "losses",
        idempotency_key: str | None = None,
    ) -> RemoteTable:
        """Store a score table that was measured elsewhere; ``RemoteTable.report`` says what was understood.

        Args:
            source: a table, a file, its content, or text such as that of a CSV file.
            test: test losses of the same networks, where they are in a file of their own.
            name: a label for people; that of the file unless given.
            values: what the cells are; gains become losses as ``1 - gain``.
            idempotency_key: importing twice with the same key gives the same table; a new one unless given.

        Raises:
            TableFormatError: if a file cannot be read.
            ServiceError: if it is no score table; nothing is stored then.
        """
        file_name = source.name if isinstance(source, Path) else ""
        files = {"file": (file_name or "table", _content(source))}
        if test is not None:
            files["test_file"] = ("test", _content(test))
        said = {"name": name or Path(file_name).stem, "values": values}
        return RemoteTable(self, self.create("/v1/score-tables", idempotency_key, files=files, params=said))

    def table(self, table_id: str) -> RemoteTable:
        """A score table by its identifier, imported or of a job.

        Raises:
            ServiceError: if there is none.
        """
        return RemoteTable(self, self.request("GET", f"/v1/score-tables/{table_id}"))


def _content(source: ScoreTable | Path | bytes | str) -> bytes:
    if isinstance(source, ScoreTable):
        return write_table(source, TableFormat.JSON)
    if isinstance(source, str):
        return source.encode()
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise TableFormatError(f"Cannot read {source}: {error.strerror}.") from error


def _error_of(response: httpx.Response) -> GroupingError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or f"The service answered {response.status_code}.")
    fields = [error for error in problem.get("errors") or [] if isinstance(error, dict)]
    listed = [
        f"{error.get('pointer') or error.get('parameter') or 'request'}: {error.get('message')}"
        for error in fields
    ]
    message = "; ".join([detail, *(line for line in listed if detail not in line)])
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return StoreUnavailableError(message)
    return ServiceError(response.status_code, str(problem.get("code", "")), message, fields)


class TableViews:
    """What can be read of a score table, whoever filled it. Nothing here trains."""

    _client: Client

    @property
    def table_id(self) -> str:
        """Identifier of the score table."""
        raise NotImplementedError

    def grouping(self, budget_snt: float) -> dict[str, Any]:
        """The best grouping for any inference budget."""
        return dict(self._table("grouping", budget_snt=budget_snt))

    def curve(self, budgets_snt: list[float] | None = None, **request: Any) -> dict[str, Any]:
        """The best groupings over inference budgets, under constraints; see ``POST .../curve``."""
        body = {"budgets_snt": budgets_snt, **request}
        return dict(self._client.request("POST", self._address("curve"), json=body))

    def pairwise_grouping(self, budget_snt: float, **request: Any) -> dict[str, Any]:
        """The best of all groups, estimated from singles and pairs; see ``POST .../pairwise-grouping``."""
        body = {"budget_snt": budget_snt, **request}
        return dict(self._client.request("POST", self._address("pairwise-grouping"), json=body))

    def affinity(self, method: str = "pairwise") -> pd.DataFrame:
        """Affinity matrix: the row is the source task, the column the target; positive helps.

        Args:
            method: ``pairwise`` or ``higher-order``, from the scores; ``tag``, ``cosine`` or ``first-order``,
                where a joint run measured them.

        Returns:
            The values; ``attrs`` of the frame holds ``method``, ``formula`` and ``warnings``.

        Raises:
            ServiceError: if the method does not exist, or was not measured for this table.
        """
        answer = self._table("affinity", method=method)
        frame = pd.DataFrame(answer["values"], index=answer["tasks"], columns=answer["tasks"], dtype=float)
        frame.attrs = {name: answer[name] for name in ("method", "formula", "warnings")}
        return frame

    def scores(self) -> pd.DataFrame:
        """Every cell of the score table, a row per network and task.

        Columns are ``network``, ``group``, ``size``, ``cost_snt``, ``task``, and for ``validation`` and
        ``test`` each ``.mean``, ``.standard_error``, ``.n`` and ``.by_seed.N``.
        """
        return pd.json_normalize(self._table("scores")["cells"])

    def solve(
        self, budget_snt: float, *, idempotency_key: str | None = None, **request: Any
    ) -> dict[str, Any]:
        """Solve under constraints and keep the answer; the fields are those of ``POST .../groupings``.

        Args:
            budget_snt: the inference budget.
            idempotency_key: the same key gives the same grouping; a new one unless given.
            **request: ``constraints``, ``weights``, ``objective``, ``cost``, ``k``, ``confidence``.

        Raises:
            ServiceError: if the table does not have what is asked for. Infeasible is an answer.
        """
        body = {"budget_snt": budget_snt, **request}
        return dict(self._client.create(self._address("groupings"), idempotency_key, json=body))

    def groupings(self) -> list[dict[str, Any]]:
        """The groupings that were kept, newest first, in short; at most 100."""
        return list(self._table("groupings", page_size=100)["items"])

    def explanation(self, grouping_id: str) -> list[str]:
        """Why the networks of a kept grouping were chosen, in sentences."""
        return list(self._client.request("GET", f"/v1/groupings/{grouping_id}/explanation")["sentences"])

    def export(self, format: str = "csv") -> bytes:  # noqa: A002
        """The score table as a file: ``csv``, ``tsv``, ``long-csv``, ``long-tsv``, ``parquet``, ``json``."""
        return self._client.download(self._address("export"), format=format)

    def _table(self, view: str, **parameters: Any) -> Any:
        return self._client.request("GET", self._address(view), params=parameters)

    def _address(self, view: str) -> str:
        return f"/v1/score-tables/{self.table_id}/{view}"


class RemoteTable(TableViews):
    """A score table of the service, as last read.

    Attributes:
        data: the table as the service describes it.
    """

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self.data = data

    def __repr__(self) -> str:
        return f"RemoteTable({self.table_id}, {self.data['name']!r})"

    @property
    def table_id(self) -> str:
        """Its identifier."""
        return str(self.data["id"])

    @property
    def url(self) -> str:
        """Its page in the web view."""
        return f"{self._client.url}/score-tables/{self.table_id}"

    @property
    def report(self) -> list[str]:
        """What was understood when it was imported, in sentences."""
        return list((self.data["report"] or {}).get("sentences", []))

    def delete(self) -> None:
        """Delete it with its groupings; only imported tables can be deleted."""
        self._client.request("DELETE", f"/v1/score-tables/{self.table_id}")

    def _repr_html_(self) -> str:
        """Notebook display."""
        label = escape(str(self.data["name"] or self.table_id))
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.report)
        return f"<p>Score table <a href='{escape(self.url)}'>{label}</a></p><ul>{lines}</ul>"


class RemoteJob(TableViews):
    """A job of the service, as last read.

    Attributes:
        data: the job as the service describes it; `refresh` reads it anew.
    """

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self.data = data

    def __repr__(self) -> str:
        return f"RemoteJob({self.id}, {self.state.value})"

    @property
    def id(self) -> str:
        """Its identifier."""
        return str(self.data["id"])

    @property
    def state(self) -> JobState:
        """Its state when last read."""
        return JobState(self.data["state"])

    @property
    def url(self) -> str:
        """Its page in the web view."""
        return f"{self._client.url}/jobs/{self.id}"

    def _repr_html_(self) -> str:
        """Notebook display."""
        label = escape(str(self.data.get("name") or self.id))
        problem = escape(str(self.data["spec"]["problem"]))
        return f"<p>Job <a href='{escape(self.url)}'>{label}</a> on {problem}: {self.state.value}</p>"

    def refresh(self) -> RemoteJob:
        """Read it anew."""
        self.data = self._client.request("GET", f"/v1/jobs/{self.id}")
        return self

    def wait(
        self,
        *,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
        timeout_s: float | None = None,
    ) -> RemoteJob:
        """Wait for a final state.

        Args:
            on_progress: told the answer of ``GET /v1/jobs/{id}/progress`` as it changes.
            timeout_s: give up after this time.

        Raises:
            TimeoutError: if it takes longer.
            StoreUnavailableError: if the service does not answer for `PATIENCE_S`.
        """
        started = answered = time.monotonic()
        while True:
            try:
                self.refresh()
                progress = self.progress()  # after the state: the last one told is that of the end
                answered = time.monotonic()
            except StoreUnavailableError:
                if time.monotonic() - answered > PATIENCE_S:
                    raise
            else:
                if on_progress is not None:
                    on_progress(progress)
                if self.state.is_final:
                    return self
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"Job {self.id} is still {self.state.value} after {timeout_s:g} s.")
            time.sleep(POLL_S)

    def progress(self) -> dict[str, Any]:
        """Trials by purpose, group size and state, and what has been spent."""
        return dict(self._client.request("GET", f"/v1/jobs/{self.id}/progress"))

    def ledger(self) -> dict[str, Any]:
        """What it has spent and saved, and the rows of its networks on all pages together."""
        address = f"/v1/jobs/{self.id}/ledger"
        told = page = dict(self._client.request("GET", address, params={"page_size": 100}))
        while page["next_page_token"] is not None:
            query = {"page_size": 100, "page_token": page["next_page_token"]}
            page = self._client.request("GET", address, params=query)
            told["items"] += page["items"]
        told["next_page_token"] = None
        return told

    def clone(self, *, idempotency_key: str | None = None, **changes: Any) -> RemoteJob:
        """Submit a job like this one, and train only what differs; see ``POST /v1/jobs/{id}/clone``.

        Args:
            idempotency_key: cloning twice with the same key gives the same job; a new one unless given.
            **changes: such as ``add_tasks`` and ``drop_tasks``.

        Raises:
            ServiceError: if the changes are not acceptable; nothing is stored then.
        """
        path = f"/v1/jobs/{self.id}/clone"
        return RemoteJob(self._client, self._client.create(path, idempotency_key, json=changes))

    def cancel(self) -> RemoteJob:
        """Ask for its end."""
        self.data = self._client.request("POST", f"/v1/jobs/{self.id}/cancel")
        return self

    def resume(self) -> RemoteJob:
        """Continue it from its stored scores."""
        self.data = self._client.request("POST", f"/v1/jobs/{self.id}/resume")
        return self

    def recommendations(self) -> list[dict[str, Any]]:
        """What is recommended for each of its inference budgets, with the verdict of fresh seeds."""
        return list(self._client.request("GET", f"/v1/jobs/{self.id}/recommendations")["items"])

    @property
    def table_id(self) -> str:
        """Identifier of its score table."""
        return str(self.data["score_table_id"])
