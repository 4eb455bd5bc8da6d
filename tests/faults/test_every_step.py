"""A small job whose processes are killed at each step in turn, just before and just after it.

All steps, several hundred, are killed by `make faults`; in the usual run each kind of step once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.effort import WHOLE
from tests.faults.laws import assert_as_undisturbed, assert_consistent
from tests.faults.scene import ANYWHERE, ON_RAY, Scene, Step, scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Scene]:
    """A service whose jobs are trained by a worker anywhere."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(sqlite_template, folder / "grouping.db")
    with scene(folder, f"sqlite:///{folder / 'grouping.db'}", "api", "dispatcher", "worker") as found:
        yield found


def rounds_of(passed: Mapping[str, int]) -> list[list[Step]]:
    """What is killed in one job each: each step alone; in the usual run twelve, the first of each kind."""
    if WHOLE:
        return [[Step(label, n)] for label, times in passed.items() for n in range(1, times + 1)]
    steps = [Step(label, 1) for label in passed]
    n_rounds = -(-len(steps) // 12)
    return [steps[n::n_rounds] for n in range(n_rounds)]


def test_a_job_ends_as_undisturbed_whatever_step_its_processes_die_at(anywhere: Scene) -> None:
    kill_at_each(anywhere, ANYWHERE)


def kill_at_each(found: Scene, trained: Mapping[str, Any]) -> None:
    found.arm()
    reference = found.wait(found.submit(trained, "undisturbed"))
    assert_as_undisturbed(found.store, reference, reference)
    rounds = rounds_of(found.passed())
    armed, fired = sum(map(len, rounds)), 0
    assert armed > 20, rounds
    for steps in rounds:
        found.arm("kill", *steps)
        name = ",".join(map(str, steps))
        job = found.wait(found.submit(trained, name[:200]))
        fired += len(found.fired())
        try:
            assert_as_undisturbed(found.store, job, reference)
        except AssertionError as error:
            raise AssertionError(f"After a death at {name}: {error}") from error
    n_submitted, page = 1 + len(rounds), found.store.list_jobs(limit=100)
    assert len(page.items) == min(n_submitted, 100)  # none was taken twice
    assert_consistent(found.folder / "grouping.db")
    # How often a lease is renewed, or a worker asks, depends on how busy the machine is.
    assert fired >= 0.9 * armed, (fired, armed)


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Scene]:
    """A service whose jobs are trained by the actors of its own Ray."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(sqlite_template, folder / "grouping.db")
    with scene(folder, f"sqlite:///{folder / 'grouping.db'}", "api", "dispatcher", with_ray=True) as found:
        yield found


@pytest.mark.skipif(not WHOLE, reason="takes an hour; `make faults` runs it")
def test_a_job_on_ray_ends_as_undisturbed_whatever_step_its_processes_die_at(on_ray: Scene) -> None:
    kill_at_each(on_ray, ON_RAY)
