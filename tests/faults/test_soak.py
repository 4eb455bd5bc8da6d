"""Many small jobs one after another with random faults: what a service holds does not grow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
import pytest

from tests.faults.effort import WHOLE
from tests.faults.laws import assert_as_undisturbed, assert_consistent
from tests.faults.scene import ANYWHERE, Scene, scene

pytestmark = pytest.mark.slow

JOBS = int(os.environ.get("GROUPING_SOAK_JOBS", "500" if WHOLE else "0"))
WARM_UP = 10
"""Jobs before the first look: what is imported and cached once is there then."""
KILL_EVERY = 5
"""Jobs of which one is disturbed; the others show what stays of a process that lives long."""


@pytest.mark.skipif(not JOBS, reason="takes hours; `make faults` runs it, GROUPING_SOAK_JOBS=n a part")
def test_what_a_service_holds_does_not_grow_with_its_jobs(tmp_path: Path, sqlite_template: Path) -> None:
    database = tmp_path / "grouping.db"
    shutil.copy(sqlite_template, database)
    looks: list[dict[str, float]] = []
    with scene(tmp_path, f"sqlite:///{database}", "api", "dispatcher", "worker") as found:
        reference = found.wait(found.submit(ANYWHERE, "undisturbed"))
        pids = {name: process.pid for name, process in found.processes.items()}
        for n in range(JOBS):
            job = found.submit(ANYWHERE, f"soak-{n}")
            if n % KILL_EVERY == 0:
                found.kill("spawn_main")  # the API, the dispatcher and the worker live through all of it
            found.wait(job)
            assert_as_undisturbed(found.store, job, reference)
            deleted = httpx.delete(f"{found.url}/v1/jobs/{job.id}", timeout=60)
            assert deleted.is_success, deleted.text
            if n >= WARM_UP and n % max(1, JOBS // 10) == 0:
                looks.append(_look(found, database))
                print(n, looks[-1], flush=True)
        looks.append(_look(found, database))
        print(JOBS, looks[-1], flush=True)
        assert pids == {name: process.pid for name, process in found.processes.items()}
    assert_consistent(database)
    first, last = looks[0], looks[-1]
    for what, before in first.items():
        assert last[what] <= 1.1 * before + 8, (what, before, last[what])


def _look(found: Scene, database: Path) -> dict[str, float]:
    """What the processes hold: MiB of memory, open descriptors; and MiB of the database."""
    seen = {"database": database.stat().st_size / 2**20}
    for name, process in found.processes.items():
        status = Path(f"/proc/{process.pid}/status").read_text()
        seen[f"{name} MiB"] = int(status.partition("VmRSS:")[2].split()[0]) / 1024
        seen[f"{name} descriptors"] = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    return seen
