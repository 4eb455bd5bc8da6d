"""A search in a file, trained by a command of one's own: one file and one command, no service running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.patience import slowness, wait_for
from tests.services import descendants, guarded_by

pytestmark = pytest.mark.slow

SEARCH = """name = "pumps"
budgets = [1, 2]
seeds = 2
confirm = 3
[training_budget]
trainings = 60
[[tasks]]
name = "vibration"
[[tasks]]
name = "leak"
[[tasks]]
name = "wear"
"""
SCRIPT = """
import argparse, json, os, pathlib, random, time
parser = argparse.ArgumentParser()
for name in ("tasks", "size", "seed", "out"):
    parser.add_argument(f"--{name}")
told = parser.parse_args()
tasks = told.tasks.split(",")
time.sleep(float(os.environ.get("TRAINING_S", "0")))
noise = random.Random(f"{sorted(tasks)} {told.seed}")
losses = {
    task: 1.0 - 0.2 * (sorted(tasks) == ["leak", "vibration"]) + noise.gauss(0, 0.01) for task in tasks
}
pathlib.Path(told.out, "result.json").write_text(json.dumps({"validation": losses, "test": losses}))
"""
TRAIN = ["train.py", "--tasks", "{tasks}", "--size", "{size}", "--seed", "{seed}", "--out", "{out}"]


FUNCTION = """
import os, random

def train(tasks, seed, checkpoint, report, log):
    assert checkpoint.is_dir()
    report(1, {"validation": 1.0})
    log(f"process {os.getpid()} below {os.getppid()}")
    noise = random.Random(f"{sorted(tasks)} {seed}")
    helped = 0.2 * (sorted(tasks) == ["leak", "vibration"])
    losses = {task: 1.0 - helped + noise.gauss(0, 0.01) for task in tasks}
    return {"validation": losses, "test": losses}

class Whole:
    def train(self, requests):
        return [{"validation": dict.fromkeys(r.network.group, float("nan"))} for r in requests]
"""


def start(
    folder: Path, *options: str, training_s: float = 0.0, by_command: bool = True
) -> subprocess.Popen[str]:
    """Start the search in a folder of its own."""
    (folder / "search.toml").write_text(SEARCH)
    (folder / "train.py").write_text(SCRIPT)
    (folder / "own.py").write_text(FUNCTION)
    command = ["run", "search.toml", "--home", "home", *options]
    command += ["--", sys.executable, *TRAIN] if by_command else []
    return subprocess.Popen(
        [sys.executable, "-m", "grouping.cli", *command],
        cwd=folder,
        env={**os.environ, "TRAINING_S": str(training_s), "GROUPING_SERVER": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("by_command", [True, False])
def test_a_file_and_a_command_or_a_function_give_a_recommendation_with_its_verdict(
    tmp_path: Path, by_command: bool
) -> None:
    code = [] if by_command else ["--trainer", "own.py:train"]
    running = start(tmp_path, "--slots", "2", "--json", *code, by_command=by_command)
    told, said = running.communicate(timeout=240 * slowness())
    assert running.returncode == 0, said
    answer: dict[str, Any] = json.loads(told)
    assert answer["job"]["state"] == "succeeded"
    assert answer["job"]["spec"]["trainer"]["name"] == "external"
    (_, two) = answer["recommendations"]
    groups = {tuple(sorted(network["group"])) for network in two["solution"]["grouping"]["networks"]}
    assert ("leak", "vibration") in groups, "the pair that helps each other"
    assert two["verdict"]["is_confirmed"]
    assert 0 < answer["ledger"]["charged"]["trainings"] <= 60
    assert "one runs for this search" in said


def test_ctrl_c_ends_the_service_and_the_trainings_that_were_started_for_it(tmp_path: Path) -> None:
    running = start(tmp_path, training_s=300.0)
    try:
        wait_for(lambda: bool(guarded_by(running.pid)), "a training", 120.0)
        started = [*guarded_by(running.pid), *descendants(running.pid)]
        running.send_signal(signal.SIGINT)
        said = "".join(running.communicate(timeout=60 * slowness()))
    finally:
        running.kill()
        running.communicate()
    wait_for(lambda: not any(_is_alive(pid) for pid in started), "the end of every process", 60.0)
    assert running.returncode not in (None, 0)
    assert re.search(r"Train on: grouping worker --job \w+ -- COMMAND", said)
    assert "The service ends too; start it again first: grouping serve --home home" in said


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_trainer_and_a_command_are_refused_together(tmp_path: Path) -> None:
    started = time.monotonic()
    running = start(tmp_path, "--trainer", "other", "--dry-run")
    _, said = running.communicate(timeout=60 * slowness())
    assert running.returncode == 2
    assert "leave out one of them" in said
    assert time.monotonic() - started < 60 * slowness()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("own.py:train", "Give either --trainer own.py:train or a command."),
        ("gone.py:train", "There is no file"),
        ("own.py:gone", "has no 'gone'"),
        ("own.py:os", "neither a function"),
    ],
)
def test_code_of_ones_own_that_cannot_train_is_refused_before_anything_starts(
    tmp_path: Path, code: str, words: str
) -> None:
    running = start(tmp_path, "--trainer", code, by_command=words.startswith("Give"))
    _, said = running.communicate(timeout=60 * slowness())
    assert running.returncode == 2
    assert words in said
    assert not (tmp_path / "home").exists()
