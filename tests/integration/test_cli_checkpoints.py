"""The command that lists checkpoints and frees what no job needs, on a real database and a real folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from grouping.cli import app
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.store import Store
from grouping.training.checkpoints import Checkpoint, CheckpointFolder
from tests.integration.conftest import NAMES, Scenes

GONE, OTHERS = "a" * 32, "b" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def keep(root: Path, job_id: str, *, trainings: int = 1, age_s: float = 0.0) -> Path:
    """Checkpoints of a job, as a worker writes them."""
    folder = CheckpointFolder(root / job_id, "0f", [Task.binary("a")], Recipe())
    for seed in range(trainings):
        state = {"epoch": torch.tensor(1)}
        folder.write(TrialRequest(Network.of("a"), seed), Checkpoint(state, 1, 25))
    written = time.time() - age_s
    for path in (*(root / job_id).iterdir(), root / job_id):
        os.utime(path, (written, written))
    return root / job_id


def listed(store: Store, root: Path, *options: str) -> dict[str, dict[str, Any]]:
    """What the command tells, by job."""
    arguments = ["checkpoints", "--database-url", store.url_shown, "--checkpoints", str(root), "--json"]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert done.exit_code == 0
    return {job["job_id"]: job for job in json.loads(done.stdout)["jobs"]}


def test_it_lists_what_every_job_has_and_removes_nothing_unless_told(
    scenes: Scenes, store: Store, root: Path
) -> None:
    running, finished = scenes.running(NAMES), scenes.finished(NAMES)
    folders = [
        keep(root, running.id, trainings=3),
        keep(root, finished.id, age_s=7200),
        keep(root, GONE, age_s=7200),
        keep(root, OTHERS, age_s=60),
    ]
    found = listed(store, root)
    told = {job: (one["state"], one["trainings"], one["removable"]) for job, one in found.items()}
    assert told == {
        running.id: ("running", 3, False),
        finished.id: ("succeeded", 1, True),
        GONE: ("unknown", 1, True),
        OTHERS: ("unknown", 1, False),
    }
    for folder in folders:
        assert found[folder.name]["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    assert 7200 <= found[GONE]["age_s"] < 7300
    assert all(folder.is_dir() for folder in folders)


def test_it_frees_what_no_job_needs_and_leaves_all_else_alone(
    scenes: Scenes, store: Store, root: Path
) -> None:
    running, finished = scenes.running(NAMES), scenes.finished(NAMES)
    stay = [keep(root, running.id, age_s=7200), keep(root, OTHERS)]
    go = [keep(root, finished.id), keep(root, GONE, age_s=7200)]
    foreign = root / ("c" * 32)
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("none of ours")
    (root / "notes").mkdir()
    old = time.time() - 7200
    os.utime(foreign, (old, old))
    found = listed(store, root, "--remove")
    assert {job for job, one in found.items() if one["removed"]} == {folder.name for folder in go}
    assert sorted(root.iterdir()) == sorted([*stay, foreign, root / "notes"])
    assert set(listed(store, root)) == {folder.name for folder in stay}


def test_of_a_known_job_it_counts_what_any_trainer_keeps(scenes: Scenes, store: Store, root: Path) -> None:
    finished = scenes.finished(NAMES)
    for name in ("first", "second"):
        (root / finished.id / name).mkdir(parents=True)
        (root / finished.id / name / "weights.pt").write_bytes(b"12345")
    told = listed(store, root, "--remove")[finished.id]
    assert (told["trainings"], told["bytes"], told["removed"]) == (2, 10, True)
    assert not (root / finished.id).exists()


def test_for_people_it_says_how_much_and_what_could_be_freed(store: Store, root: Path) -> None:
    arguments = ["checkpoints", "--database-url", store.url_shown, "--checkpoints", str(root)]
    empty = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "No checkpoints" in empty.stdout
    keep(root, GONE, age_s=3 * 86_400)
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert "3 d ago" in shown
    assert "could be freed with --remove" in shown
    assert "freed." in CliRunner().invoke(app, [*arguments, "--remove"], catch_exceptions=False).stdout
