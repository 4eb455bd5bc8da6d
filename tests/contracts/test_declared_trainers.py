"""The contract of trainers, on those that a file declares: command, function, class, whole trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from grouping.testing import TrainerContract
from grouping.trainers import discover_trainers, get_trainer
from grouping.trainers.registered import TRAINERS_VARIABLE

RIDGE = '''
"""Random features and a linear map; the tasks of a network share the features."""

import json
import os
import pathlib

import numpy as np


def losses(tasks, size, seed, rate=1.0):
    data = np.random.default_rng(0)
    inputs = data.normal(size=(120, 4))
    targets = {task: inputs @ data.normal(size=4) for task in "ab"}
    generator = np.random.default_rng(seed)
    features = np.tanh(inputs @ generator.normal(size=(4, max(1, round(8 * size)))))
    wanted = np.stack([targets[task] for task in tasks], axis=1)
    seen = features[:80]
    weights = np.linalg.solve(seen.T @ seen + rate * np.eye(seen.shape[1]), seen.T @ wanted[:80])
    return dict(zip(tasks, ((features[80:] @ weights - wanted[80:]) ** 2).mean(axis=0).tolist()))


def train(tasks, seed, size, report, rate=1.0):
    """Ridge regression in a function."""
    report(1, {"rate": rate})
    return {"validation": losses(tasks, size, seed, rate)}


class Worker:
    """Ridge regression in a class."""

    def __init__(self, tasks, rate):
        self.order, self.rate = tasks, rate

    def train(self, requests):
        for request in requests:
            tasks = [task for task in self.order if task in request.network.group]
            yield {"validation": losses(tasks, request.network.size, request.seed, self.rate)}


if __name__ == "__main__":
    told = os.environ
    found = losses(
        json.loads(told["GROUPING_TASKS_JSON"]),
        float(told["GROUPING_SIZE"]),
        int(told["GROUPING_SEED"]),
        float(told["GROUPING_PARAMETERS_RATE"]),
    )
    pathlib.Path(told["GROUPING_OUT"], "result.json").write_text(json.dumps({"validation": found}))
'''

TRAINER = '''
from ridge import losses

from grouping import TaskScore, Trainer, TrainingWorker, TrialOutcome, TrialState, WorkerSetup


class Worker(TrainingWorker):
    def __init__(self, data, context):
        pass

    def train(self, requests, checkpoints=None):
        return [self.one(request.network, request.seed) for request in requests]

    def one(self, network, seed):
        found = losses(sorted(network.group), network.size, seed)
        return TrialOutcome(TrialState.SUCCEEDED, tuple(TaskScore(*item) for item in found.items()), 1)


class Whole(Trainer):
    """Not shown, because it has a description."""

    name = "another name"
    title = "Ridge"
    description = "Ridge regression in a whole trainer."

    def setup(self):
        return WorkerSetup("ridge", Worker, None)
'''

TRAINERS = """
[trainers.command]
command = ["{python}", "ridge.py"]
epochs = 30
[trainers.command.parameters]
rate = 1.0

[trainers.function]
python = "ridge.py:train"
epochs = 30
[trainers.function.parameters]
rate = 1.0

[trainers.class]
python = "ridge.py:Worker"
[trainers.class.parameters]
rate = 1.0

[trainers.whole]
python = "whole.py:Whole"
epochs = 30
deadline_s = 60
"""


class DeclaredTrainerContract(TrainerContract):
    name: ClassVar[str]
    fidelities = (1.0, 0.5)

    @pytest.fixture(autouse=True)
    def _declared(self, declared: Path) -> None:
        type(self).trainer = get_trainer(self.name)


@pytest.fixture
def declared(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("trainers")
    (folder / "ridge.py").write_text(RIDGE)
    (folder / "whole.py").write_text(TRAINER)
    (folder / "trainers.toml").write_text(TRAINERS)
    monkeypatch.setenv(TRAINERS_VARIABLE, str(folder / "trainers.toml"))
    monkeypatch.setattr("sys.path", list(sys.path))
    discover_trainers.cache_clear()
    yield folder
    discover_trainers.cache_clear()


class TestCommand(DeclaredTrainerContract):
    name = "command"
    parameters: ClassVar[dict[str, Any]] = {"rate": 0.5}


class TestFunction(DeclaredTrainerContract):
    name = "function"


class TestClass(DeclaredTrainerContract):
    name = "class"


class TestWholeTrainer(DeclaredTrainerContract):
    name = "whole"
