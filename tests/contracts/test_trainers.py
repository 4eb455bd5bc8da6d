"""The contract of trainers: on the built-in one, and on one of a plug-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest

from grouping.domain.networks import Candidates
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError, TrainingError
from grouping.search import Search
from grouping.strategies import get_strategy
from grouping.testing import PlannedTrainerContract, TrainerContract
from grouping.trainers import LocalPool, TrainerJob, TrainerRequest, discover_trainers, get_trainer
from grouping.trainers.built_in import BuiltIn
from grouping.trainers.external import External
from grouping.trainers.registry import ENTRY_POINT_GROUP
from tests.plug_ins import install

OWN = '''
"""Ridge regressions in NumPy: the tasks of a network share their features."""

import numpy as np

from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.trainers import Trainer, TrainingWorker, WorkerSetup


class Worker(TrainingWorker):
    def __init__(self, data, context):
        self.inputs, self.targets = data

    def train(self, requests, checkpoints=None):
        return [self.one(request) for request in requests]

    def one(self, request):
        generator = np.random.default_rng(request.seed)
        tasks = sorted(request.network.group)
        n_hidden = max(1, round(8 * request.network.size))
        features = np.tanh(self.inputs @ generator.normal(size=(4, n_hidden)))
        columns = np.stack([self.targets[task] for task in tasks], axis=1)
        seen = features[:80]
        weights = np.linalg.solve(seen.T @ seen + np.eye(n_hidden), seen.T @ columns[:80])
        losses = ((features[80:] @ weights - columns[80:]) ** 2).mean(axis=0)
        scores = tuple(TaskScore(task, float(loss)) for task, loss in zip(tasks, losses))
        return TrialOutcome(TrialState.SUCCEEDED, scores, 1, 0.0)


class Ridge(Trainer):
    name = "ridge"
    title = "Ridge regression"
    description = "Random features and a linear map."

    def setup(self):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(120, 4))
        targets = {task: inputs @ generator.normal(size=4) for task in self.job.tasks}
        return WorkerSetup("ridge", Worker, (inputs, targets))
'''


class TestBuiltIn(TrainerContract):
    trainer = BuiltIn
    problem = "digits"
    tasks: ClassVar[tuple[str, ...]] = ("digit", "loop", "edges")
    parameters: ClassVar[dict[str, Any]] = {"recipe": asdict(Recipe(epochs=3)), "tuning_samples": 0}
    fidelities = (1.0, 0.34)


class TestBuiltInThatTunes(TestBuiltIn):
    tasks = ("digit", "loop")
    parameters: ClassVar[dict[str, Any]] = {
        "recipe": asdict(Recipe(epochs=2)),
        "tuning_samples": 3,
    }


class TestExternal(PlannedTrainerContract):
    trainer = External
    parameters = External.complete(
        TrainerRequest("any", (), 2, {"data": "v1", "epochs": 20, "resources": {"gpus": 0.5}})
    )
    fidelities = (1.0, 0.2)

    def test_scores_of_other_data_are_never_compared(self) -> None:
        others = [self.completed({**self.parameters, "data": name}) for name in ("v1", "v2")]
        prints = {
            External(TrainerJob("p", self.tasks, self.new_trainer().job.terms, given))
            .prepare(LocalPool())
            .fingerprint
            for given in others
        }
        assert len(prints) == 2
        assert External.scores_depend_on(others[0], None) != External.scores_depend_on(others[1], None)
        patient = self.completed({**self.parameters, "lease_s": 600, "deadline_s": 9})
        assert External.scores_depend_on(patient, None) == External.scores_depend_on(others[0], None)

    def test_it_trains_nothing_itself_and_says_who_does(self) -> None:
        with pytest.raises(TrainingError, match="grouping worker"):
            self.prepared().setup()

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({}, "/data"),
            ({"data": ""}, "/data"),
            ({"data": "v1", "lease_s": 0}, "/lease_s"),
            ({"data": "v1", "deadline_s": -1}, "/deadline_s"),
            ({"data": "v1", "resources": {"gpu": 1}}, "/resources/gpu"),
            ({"data": "v1", "command": "rm"}, ""),
        ],
    )
    def test_parameters_that_break_a_rule_are_pointed_at(self, wrong: dict[str, Any], pointer: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            self.completed(wrong)
        assert caught.value.pointer == f"/trainer/parameters{pointer}"


class TestBuiltInOnAShareOfTheRows(TestBuiltIn):
    tasks = ("digit", "loop")
    parameters: ClassVar[dict[str, Any]] = {"recipe": asdict(Recipe(epochs=2)), "train_share": 0.5}


class TestPlugIn(TrainerContract):
    """A trainer that another distribution adds."""

    @pytest.fixture(autouse=True)
    def _installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        install(monkeypatch, tmp_path, "ridge", OWN, f"[{ENTRY_POINT_GROUP}]\nridge = ridge:Ridge")
        discover_trainers.cache_clear()
        type(self).trainer = get_trainer("ridge")
        yield
        sys.modules.pop("ridge", None)
        discover_trainers.cache_clear()

    def test_a_search_trains_confirms_and_judges_with_it(self) -> None:
        names = ("a", "b", "c")
        tasks = [Task.regression(name) for name in names]
        space = Candidates.of(names, single_sizes=(0.5,))
        search = Search(
            get_strategy("exhaustive"), tasks, space, budgets_snt=(2.0,), confirmation_seeds=(7, 8, 9)
        )
        search.run(self.trainer(TrainerJob("own", names, search.terms)))
        assert len(search.scores().networks) == 10
        (found,) = search.recommendations()
        assert found.solution.require_grouping().cost_snt <= 2.0
        assert found.verdict is not None
        assert found.verdict.is_confirmed
        assert found.verdict.sentence().endswith("Validation losses were compared: there are no test losses.")
        assert search.state.scores(fidelity=1.0).seeds == (0,)
