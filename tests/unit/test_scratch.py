"""Temporary folders of processes that end, and of those that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grouping.scratch import scratch_folder

HOLD = """
import pathlib, sys, time
from grouping.scratch import scratch_folder
with scratch_folder("held-", pathlib.Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_folder_is_there_during_the_block_only(tmp_path: Path) -> None:
    with scratch_folder("held-", tmp_path) as folder:
        (folder / "file").write_text("of the process")
    assert not list(tmp_path.iterdir())


def test_a_folder_goes_with_an_exception_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), scratch_folder("held-", tmp_path):
        raise ValueError("wrong")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_killed_process_is_deleted_by_the_next_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    killed, living = (_hold(tmp_path) for _ in range(2))
    try:
        folders = [Path(process.stdout.readline().decode().strip()) for process in (killed, living)]  # type: ignore[union-attr]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        (tmp_path / "held-by-nobody-of-ours").mkdir()  # it has no lock: not one of these folders
        with scratch_folder("held-", tmp_path) as mine:
            assert {*tmp_path.iterdir()} == {mine, folders[1], tmp_path / "held-by-nobody-of-ours"}
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]


def _hold(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, env={**os.environ}
    )


def test_a_folder_that_its_process_never_held_goes_after_a_while(tmp_path: Path) -> None:
    fresh, old = tmp_path / "held-fresh", tmp_path / "held-old"
    for folder in (fresh, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    with scratch_folder("held-", tmp_path) as mine:
        assert {*tmp_path.iterdir()} == {fresh, mine}
