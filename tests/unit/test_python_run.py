"""A Python function or class of one's own, run as a command: what it is told, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.domain.networks import Network
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, RetryTrainingError
from grouping.trainers import NoReports
from grouping.trainers.command_process import Command, run_command
from grouping.trainers.python_run import own_command

CODE = """
from grouping.errors import RetryTrainingError
from grouping import TaskScore, TrialOutcome, TrialState

def train(
    tasks, seed, size, size_name, epochs, fidelity, cost, purpose, measures_affinity, checkpoint, report, log
):
    assert (size_name, epochs) == ("small", 2)
    assert (size, fidelity, cost, purpose, measures_affinity) == (0.5, 0.25, 0.4, "confirmation", True)
    (checkpoint / "kept").write_text("1")
    report(3, {"validation.b": 0.5})
    log("half way")
    return {"validation": {task: seed / 10 for task in tasks}, "costs": {"latency_ms": 3.0}}

class Trained:
    def __init__(self, tasks, data):
        self.said = (tasks, data)

    def train(self, requests):
        tasks, data = self.said
        scores = tuple(TaskScore(task, 0.5, 0.6) for task in tasks)
        return [TrialOutcome(TrialState.SUCCEEDED, scores, epochs=4, artefact=data)]

def diverges(tasks):
    return {"validation": dict.fromkeys(tasks, float("nan"))}

def busy(tasks):
    raise RetryTrainingError("no GPU is free")

def broken(tasks):
    raise KeyError("nothing")

def forgets(tasks):
    return {"validation": {}}
"""
REQUEST = TrialRequest(Network(frozenset("ab"), 0.5, 0.4), 7, 0.25, Purpose.CONFIRMATION, True)


class Kept(NoReports):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.points: list[Progress] = []
        self.text = ""

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        self.points.append(progress)

    def log(self, request: TrialRequest, text: str) -> None:
        self.text += text


@pytest.fixture(autouse=True)
def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Braces in a path are no placeholders.
    folder = tmp_path / "{mine}"
    folder.mkdir()
    (folder / "own.py").write_text(CODE)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))


def run(name: str, kept: Kept | None = None) -> TrialOutcome:
    """Train by a name in the file, as an agent does."""
    command = Command(tuple(own_command(f"own.py:{name}")), parameters=("data", "epochs"))
    return run_command(
        command,
        REQUEST,
        kept or Kept(),
        tasks=["b", "a"],
        parameters={"data": "v3", "epochs": 9},
        epochs=2,
        size_name="small",
        checkpoints=Path("checkpoints").absolute(),
    )


def test_a_function_is_told_everything_and_its_answer_is_the_result() -> None:
    kept = Kept()
    outcome = run("train", kept)
    assert outcome.state is TrialState.SUCCEEDED, outcome.error
    assert [(score.task, score.validation_loss) for score in outcome.scores] == [("b", 0.7), ("a", 0.7)]
    assert (outcome.epochs, outcome.costs) == (2, {"latency_ms": 3.0})
    assert kept.points == [Progress(3, {"validation.b": 0.5})]
    assert kept.text == "half way\n"
    assert list(Path("checkpoints").glob("*/*/kept"))


def test_a_class_is_made_for_the_tasks_of_the_training_and_may_give_outcomes() -> None:
    outcome = run("Trained")
    assert [(score.task, score.test_loss) for score in outcome.scores] == [("b", 0.6), ("a", 0.6)]
    assert (outcome.epochs, outcome.artefact) == (4, "v3")


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("diverges", TrialState.DIVERGED, "validation loss of 'b' is nan"),
        ("broken", TrialState.FAILED, "KeyError: 'nothing'"),
        ("forgets", TrialState.FAILED, "has no loss of 'b', 'a'"),
    ],
)
def test_what_goes_wrong_is_the_outcome(name: str, state: TrialState, words: str) -> None:
    outcome = run(name)
    assert outcome.state is state
    assert words in (outcome.error or "")


def test_it_may_ask_for_another_attempt() -> None:
    with pytest.raises(RetryTrainingError, match="no GPU is free"):
        run("busy")


def test_a_whole_trainer_is_to_be_registered() -> None:
    Path("own.py").write_text("from grouping import Trainer\nclass Whole(Trainer): pass\n")
    with pytest.raises(InvalidInputError, match="register it in a file of trainers"):
        own_command("own.py:Whole")
