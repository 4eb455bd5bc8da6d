"""The disk of the database fills up at one step of a job, and has room again a little later."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.effort import WHOLE
from tests.faults.laws import assert_as_undisturbed, assert_consistent
from tests.faults.scene import ANYWHERE, Scene, Step, scene

pytestmark = pytest.mark.slow

FULL_S = 1.5


@pytest.fixture(scope="module")
def on_small_disk(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Scene]:
    """A service whose database is alone on a disk of some megabytes."""
    folder = tmp_path_factory.mktemp("full")
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"A disk of a given size cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copy(sqlite_template, disk / "grouping.db")
        with scene(folder, f"sqlite:///{disk / 'grouping.db'}", "api", "dispatcher", "worker") as found:
            yield found
            assert_consistent(disk / "grouping.db")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_job_outlives_a_disk_that_fills_up_at_any_commit(on_small_disk: Scene) -> None:
    found, disk = on_small_disk, on_small_disk.folder / "disk"
    found.arm()
    reference = found.wait(found.submit(ANYWHERE, "undisturbed"))
    passed = {label: n for label, n in found.passed().items() if label.startswith("before:commit_")}
    steps = [Step(label, n) for label, times in passed.items() for n in range(1, times + 1 if WHOLE else 2)]
    assert len(steps) >= 9, steps
    for step in steps if WHOLE else steps[::6]:
        found.arm("fill", step)
        seen_at: list[float] = []

        def make_room(seen_at: list[float] = seen_at) -> None:
            if found.fired() and not seen_at:
                seen_at.append(time.monotonic())
            if seen_at and time.monotonic() - seen_at[0] > FULL_S:
                (disk / "ballast").unlink(missing_ok=True)

        job = found.submit(ANYWHERE, str(step), while_waiting=make_room)
        found.wait(job, make_room)
        assert_as_undisturbed(found.store, job, reference)
        assert found.fired(), step
    assert "disk of the database is full" in (found.folder / "dispatcher.log").read_text()
