"""The store's contract on SQLite and on a real PostgreSQL, and the little that only one of them has."""

from __future__ import annotations

import collections
import contextlib
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from grouping.domain.jobs.job import JobState
from grouping.errors import InvalidInputError, StoreUnavailableError
from grouping.store import Store, database, migrate, open_store
from grouping.store.database import parse_url, shown_url
from grouping.store.rows import JobRow
from tests.contracts.scenarios import submit
from tests.contracts.store_affinities import AffinityContract
from tests.contracts.store_defined import DefinedContract
from tests.contracts.store_deliveries import DeliveryContract
from tests.contracts.store_faults import FaultContract
from tests.contracts.store_finishes import FinishContract
from tests.contracts.store_imports import ImportContract
from tests.contracts.store_job_search import JobSearchContract
from tests.contracts.store_jobs import JobContract
from tests.contracts.store_leases import LeaseContract
from tests.contracts.store_reports import ReportContract
from tests.contracts.store_results import ResultsContract
from tests.contracts.store_reuse import ReuseContract
from tests.contracts.store_stops import StopContract
from tests.contracts.store_studies import StudyContract
from tests.contracts.store_tokens import TokenContract
from tests.contracts.store_trial_leases import TrialLeaseContract
from tests.contracts.store_trials import TrialContract


class StoreContract(
    JobContract,
    JobSearchContract,
    StopContract,
    LeaseContract,
    TrialContract,
    TrialLeaseContract,
    ReportContract,
    ReuseContract,
    ResultsContract,
    AffinityContract,
    DefinedContract,
    ImportContract,
    StudyContract,
    TokenContract,
    DeliveryContract,
    FinishContract,
    FaultContract,
):
    """All of it; a database gives the URLs."""

    @pytest.fixture
    def url(self) -> str:
        """A migrated database of the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def empty_url(self) -> str:
        """A database that was never migrated."""
        raise NotImplementedError

    @pytest.fixture
    def unreachable_url(self) -> str:
        """A database that is not there."""
        raise NotImplementedError

    @pytest.fixture
    def read_only_url(self) -> str:
        """The database of `url`, where nothing may be written."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        """The store on `url`."""
        opened = open_store(url)
        yield opened
        opened.close()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.fixture
    def empty_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/empty.db"

    @pytest.fixture
    def unreachable_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/missing/folder/file.db"

    @pytest.fixture
    def read_only_url(self, sqlite_url: str) -> str:
        return sqlite_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true"


@pytest.mark.slow
class TestPostgresStore(StoreContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def empty_url(self, empty_postgres_url: str) -> str:
        return empty_postgres_url

    @pytest.fixture
    def unreachable_url(self) -> str:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            port = listener.getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/missing"

    @pytest.fixture
    def read_only_url(self, postgres_url: str) -> str:
        return f"{postgres_url}?options=-c%20default_transaction_read_only%3Don"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://host/name",
        "postgresql+asyncpg://host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://user:secret@host/file",
        "postgresql://host:port/name",
    ],
)
def test_a_url_that_names_no_usable_database_is_refused(url: str) -> None:
    for act in (open_store, migrate):
        with pytest.raises(InvalidInputError) as caught:
            act(url)
        assert "secret" not in str(caught.value)


def test_migrating_creates_the_folder_of_the_file_and_sets_write_ahead_logging(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a 50% new/folder/grouping.db"
    migrate(url)
    store = open_store(url)
    with store._database.reading() as session:
        modes = [
            session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")
        ]
    store.close()
    assert modes == ["wal", 1, 2]


def test_migrating_waits_for_a_writer_of_the_file_to_finish(tmp_path: Path) -> None:
    path = tmp_path / "grouping.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("CREATE TABLE another (number)")
        writer.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, writer.execute, ("COMMIT",))
        timer.start()
        migrate(f"sqlite:///{path}")
        timer.join()
    store = open_store(f"sqlite:///{path}")
    store.check_schema()
    store.close()


def test_a_file_that_is_no_database_is_unavailable_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are not the tables you are looking for " * 100)
    for act in (open_store, migrate):
        with pytest.raises(StoreUnavailableError):
            act(f"sqlite:///{path}")
    assert path.read_text().startswith("these are")


def test_a_full_disk_is_unavailable_and_leaves_nothing(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    job = submit(store)
    with store._database.reading() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError, match="full"):
        collections.deque(iter(lambda: submit(store), None), maxlen=0)
    assert store.get_job(job.id) == job
    store.close()


def test_a_password_is_never_shown() -> None:
    for url in (
        "postgres://me:secret@host/name",
        "postgresql://me@host/name?password=secret&sslmode=require",
    ):
        assert "secret" not in shown_url(parse_url(url))
        assert "host/name" in shown_url(parse_url(url))


@pytest.mark.slow
def test_a_store_goes_on_after_the_server_dropped_its_connections(postgres_url: str) -> None:
    store = open_store(postgres_url)
    other = open_store(postgres_url.replace("postgresql://", "postgres://"))
    job = submit(store)
    with other._database.reading() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert store.get_job(job.id) == job
    store.close()
    other.close()


@pytest.mark.slow
def test_a_connection_that_dies_in_the_middle_is_unavailable(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with pytest.raises(StoreUnavailableError), store._database.writing() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert store.list_jobs().items == ()
    store.close()


@pytest.mark.slow
def test_a_program_that_stands_still_inside_a_write_loses_its_locks(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(postgres_url)
    job = submit(store)
    monkeypatch.setattr(database, "IDLE_TIMEOUT_S", 1)
    stopped = open_store(postgres_url)
    with pytest.raises(StoreUnavailableError), stopped._database.writing() as session:
        _lock_and_stand_still(session, store, job.id)
    assert store.get_job(job.id).state is JobState.CANCELLED
    stopped.close()
    store.close()


def _lock_and_stand_still(session: Session, other: Store, job_id: str) -> None:
    session.execute(select(JobRow).where(JobRow.id == job_id).with_for_update())
    assert other.request_cancel(job_id).state is JobState.CANCELLED
    session.execute(text("SELECT 1"))
