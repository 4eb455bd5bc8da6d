"""The Python client against an API process: jobs and tables, refusals, and no service at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.client import Client, RemoteJob, RemoteTable, ServiceError
from grouping.domain.jobs.job import JobState
from grouping.errors import InvalidInputError, StoreUnavailableError, TableFormatError
from grouping.wire.jobs import ProgressOut
from tests.integration.conftest import server
from tests.tables import random_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("client")
    shutil.copy(sqlite_template, folder / "grouping.db")
    url = f"sqlite:///{folder / 'grouping.db'}"
    with server(url, folder / "api.log") as (address, _), Client(address) as found:
        yield found


def test_a_job_is_submitted_found_again_and_cancelled(client: Client) -> None:
    job = client.submit(problem="digits", name="mine", idempotency_key="once")
    assert isinstance(job, RemoteJob)
    assert client.submit(problem="digits", name="mine", idempotency_key="once").id == job.id
    again = client.job(job.id)
    assert (again.state, again.url) == (JobState.QUEUED, f"{client.url}/jobs/{job.id}")
    assert "mine" in again._repr_html_()
    with pytest.raises(TimeoutError, match="still queued"):
        job.wait(timeout_s=0)
    assert job.cancel().state is JobState.CANCELLED
    told: list[ProgressOut] = []
    assert job.wait(on_progress=told.append) is job
    assert told[-1].rows == []


def test_a_table_is_imported_solved_explained_and_exported(client: Client) -> None:
    truth = random_table(2, n_tasks=3)
    table = client.import_table(truth, name="three tasks")
    assert isinstance(table, RemoteTable)
    assert client.table(table.table_id).data.name == "three tasks"
    assert any("3 tasks" in sentence for sentence in table.report)
    kept = table.solve(2.0)
    assert table.explanation(kept.id)
    assert [item.id for item in table.groupings()] == [kept.id]
    assert set(table.affinity().columns) == set(truth.task_names)
    assert len(table.scores()) == truth.membership.sum()
    assert client.import_table(table.export("json"), name="again").data.name == "again"
    table.delete()
    with pytest.raises(ServiceError) as caught:
        client.table(table.table_id)
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_refusal_tells_the_field_and_what_is_wrong_with_it(client: Client) -> None:
    with pytest.raises(ServiceError, match="no problem named 'taskonomy'") as caught:
        client.submit(problem="taskonomy")
    assert (caught.value.status, caught.value.errors[0]["pointer"]) == (422, "/problem")
    with pytest.raises(InvalidInputError, match="not finite"):
        client.submit(problem="digits", budgets_snt=[float("nan")])


def test_a_file_or_an_address_that_is_not_there_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9") as nobody:
        with pytest.raises(StoreUnavailableError, match="grouping serve"):
            nobody.job("0" * 32)
        with pytest.raises(TableFormatError, match="Cannot read"):
            nobody.import_table(tmp_path / "missing.csv")
    with Client("ftp://127.0.0.1") as wrong, pytest.raises(InvalidInputError, match="no address"):
        wrong.job("0" * 32)
