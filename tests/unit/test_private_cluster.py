"""What a Ray cluster of one's own finds: its folder, its token, and what of the machine is said before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.errors import InvalidInputError
from grouping_workers.dispatch import private_cluster
from grouping_workers.dispatch.private_cluster import private_surroundings, surprises

SET = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN", "RAY_ADDRESS", "RAY_TMPDIR")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SET:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path that leaves room for sockets, as that of a test does not."""
    with tempfile.TemporaryDirectory(prefix="g-") as folder:
        yield Path(folder)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_is_private_in_the_home_folder_and_goes(
    monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "known to everybody")
    with private_surroundings(short / "home") as folder:
        assert folder.parent == short / "home"
        assert mode(folder) == 0o700
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert token.parent == folder
        assert mode(token) == 0o600
        assert len(token.read_text()) == 64
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" not in os.environ
    assert not folder.exists()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert os.environ["RAY_AUTH_TOKEN"] == "known to everybody"
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ


def test_two_clusters_in_one_home_have_folders_and_tokens_of_their_own(short: Path) -> None:
    with private_surroundings(short) as one:
        first = (one / "token").read_text()
        with private_surroundings(short) as other:
            assert one != other
            assert (other / "token").read_text() != first
        assert one.exists(), "the start of another cluster deletes no folder that is in use"


def test_the_folder_of_a_killed_cluster_goes_with_the_next_start(short: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from grouping_workers.dispatch.private_cluster import private_surroundings\n"
        "with private_surroundings(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(short)], check=False)
    (left,) = short.glob("ray-*")
    with private_surroundings(short) as folder:
        assert list(short.glob("ray-*")) == [folder]
        assert left != folder


def test_a_home_with_a_long_path_has_its_sockets_in_the_temporary_folder(short: Path) -> None:
    home = short / ("long" * 20)
    with private_surroundings(home) as folder:
        assert not folder.is_relative_to(home)
        assert mode(folder) == 0o700
        assert len(str(folder / private_cluster.SESSIONS)) + private_cluster.RAYS_SHARE <= 107


def test_ray_tmpdir_is_used_where_it_is_short_and_refused_where_not(
    monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    with private_surroundings(None) as folder:
        assert folder.parent == short
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 90)
    for refuse in (surprises, lambda: private_surroundings(None).__enter__()):
        with pytest.raises(InvalidInputError, match=r"RAY_TMPDIR=/tmp/xx.* is too long.*characters"):
            refuse()


def test_a_folder_that_cannot_be_written_to_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/proc/none")
    with pytest.raises(InvalidInputError, match="RAY_TMPDIR"), private_surroundings(None):
        pass


def test_what_the_environment_says_and_does_not_count_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(private_cluster, "SHARED_MEMORY", tmp_path / "none")
    assert surprises() == []
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    address, mode_said = surprises()
    assert address.startswith("RAY_ADDRESS=head:6379 is not used")
    assert "--ray-address" in address
    assert mode_said.startswith("RAY_AUTH_MODE=disabled is not used")


def test_a_small_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(private_cluster, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(private_cluster, "OBJECT_STORE_BYTES", 2**62)
    (told,) = surprises()
    assert "MiB free" in told
    assert "--shm-size=1g" in told
