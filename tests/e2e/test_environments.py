"""The service where people run it: an account without a name or a home, proxies, variables of another Ray."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from grouping.client import Client
from grouping.store import migrate
from tests.patience import slowness, wait_for
from tests.services import descendants

pytestmark = pytest.mark.slow

NAMELESS = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
"""Runs a command as a user id without an entry in /etc/passwd, as Docker's --user and OpenShift do."""
ELSEWHERE = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "RAY_ADDRESS": "127.0.0.1:9",
    "RAY_AUTH_MODE": "disabled",
}


def is_nameless_possible() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMELESS, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="g-") as made:
        yield Path(made)


def environment(home: str | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    return {**kept, **({} if home is None else {"HOME": home}), **more}


@contextlib.contextmanager
def serving(folder: Path, surroundings: dict[str, str]) -> Iterator[tuple[int, str, str]]:
    """A service in the folder as a user without a name: its process id, its address, what it said."""
    command = [
        *NAMELESS,
        sys.executable,
        "-P",
        "-m",
        "grouping.cli",
        "serve",
        "--port",
        "0",
        "--workers",
        "2",
    ]
    command += ["--home", str(folder / "own")]
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(command, env=surroundings, cwd=folder, stdout=output, stderr=output)
    try:
        wait_for(lambda: "Serving on" in said.read_text() or process.poll() is not None, "the start")
        assert process.poll() is None, said.read_text()
        address = re.search(r"Serving on (\S+)", said.read_text())
        assert address is not None
        yield process.pid, address[1], said.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60 * slowness())
        process.kill()
        process.wait()


@pytest.mark.skipif(not is_nameless_possible(), reason="unshare cannot make a user namespace here")
@pytest.mark.parametrize("home", ["none", "read-only"])
def test_a_job_ends_where_there_is_no_name_no_home_and_a_proxy_and_nothing_is_open_to_others(
    folder: Path, home: str
) -> None:
    (folder / "read-only").mkdir(mode=0o555)
    told = environment(None if home == "none" else str(folder / "read-only"), **ELSEWHERE)
    with serving(folder, told) as (process, address, said), Client(address) as client:
        assert "RAY_ADDRESS=127.0.0.1:9 is not used" in said
        assert "RAY_AUTH_MODE=disabled is not used" in said
        job = client.submit(
            problem="digits",
            tasks=["digit", "loop"],
            strategy={"name": "exhaustive"},
            budgets_snt=[1, 2],
            n_seeds=1,
            n_confirmation_seeds=0,
            recipe={"epochs": 2},
        )
        wait_for(lambda: bool(_listening(process, "gcs_server")), "the start of Ray", 120.0)
        assert job.wait(timeout_s=300 * slowness()).state == "succeeded"
        loopback = ("127.", "::1", "::ffff:127.")
        assert [at for at in _listening(process) if not at.startswith(loopback)] == []
        assert _readable_by_others(folder / "own") == []
    assert [entry.name for entry in (folder / "own").glob("ray-*")] == []
    assert list((folder / "read-only").iterdir()) == []


def _listening(process: int, name: str = "") -> set[str]:
    """Addresses on which the processes below one listen."""
    found = set()
    for child, line in descendants(process).items():
        if name in line:
            with contextlib.suppress(psutil.Error):
                found |= {
                    connection.laddr.ip
                    for connection in psutil.Process(child).net_connections("inet")
                    if connection.status == psutil.CONN_LISTEN
                }
    return found


def _readable_by_others(folder: Path) -> list[str]:
    """What is open to other users: only what is in a folder that they can enter counts."""
    if not folder.stat().st_mode & 0o077:
        # The folder is closed; the files that others might get a link to are closed themselves.
        files = [folder / "grouping.db", *(folder / "logs").iterdir()]
        return [str(file) for file in files if file.stat().st_mode & 0o077]
    return [str(folder)]


@pytest.mark.skipif(not is_nameless_possible(), reason="unshare cannot make a user namespace here")
@pytest.mark.parametrize("command", [["serve"], ["api"], ["dispatcher"], ["migrate"], ["demo", "--exit"]])
def test_without_a_home_a_command_that_needs_one_says_what_to_do(folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        [*NAMELESS, sys.executable, "-P", "-m", "grouping.cli", *command],
        env=environment(None),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: This account has no home directory")
    assert "--home FOLDER, or GROUPING_HOME=FOLDER" in done.stderr


@pytest.mark.skipif(not is_nameless_possible(), reason="unshare cannot make a user namespace here")
def test_a_home_that_cannot_be_written_to_is_named(folder: Path) -> None:
    (folder / "read-only").mkdir(mode=0o555)
    done = subprocess.run(
        [*NAMELESS, sys.executable, "-P", "-m", "grouping.cli", "serve", "--port", "0"],
        env=environment(str(folder / "read-only")),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"cannot write to {folder}/read-only/.mtl-grouping" in done.stderr
    assert "GROUPING_HOME" in done.stderr


def _older(file: Path) -> None:
    migrate(f"sqlite:///{file}")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")


def _newer(file: Path) -> None:
    migrate(f"sqlite:///{file}")
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of next year'")


@pytest.mark.parametrize("command", ["api", "dispatcher"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_older, "grouping migrate"),
        (_newer, "update the program"),
        (Path.touch, "grouping migrate"),
        (lambda file: file.write_bytes(b"no database" * 1000), "no SQLite database, or is damaged"),
        (lambda file: None, "grouping migrate"),
    ],
    ids=["older", "newer", "empty", "garbage", "none"],
)
def test_another_database_than_the_program_needs_is_refused_at_the_start(
    folder: Path, command: str, make: Callable[[Path], object], says: str
) -> None:
    make(folder / "grouping.db")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "grouping.cli", command, "--home", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120 * slowness(),
    )
    assert done.returncode in (2, 4)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
