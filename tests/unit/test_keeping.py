"""Trainings whose weights are kept, and the rows that a final training may learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load

from grouping.domain.networks import Network
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.trainers.workers import WorkerContext
from grouping.training.blueprint import Blueprint
from grouping.training.data import TrainingData
from grouping.training.evaluation import evaluate
from grouping.training.mapped_rows import MappedRows
from grouping.training.methods import build_encoder, build_network
from grouping.training.worker import BuiltInWorker, WorkerMaker
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

DATASET = make_dataset(rows=160)
RECIPE = Recipe(hidden=(10, 8), epochs=3, batch_size=30, learning_rate=0.02)
REQUESTS = [TrialRequest(Network.of("class", "sum"), 0), TrialRequest(Network.of("sign"), 0)]


def worker_of(dataset: Dataset, recipe: Recipe = RECIPE, engine: Engine = Engine.AUTO) -> BuiltInWorker:
    return BuiltInWorker([dataset], WorkerMaker("digest", TASKS, recipe, engine), WorkerContext())


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.SEQUENTIAL, Engine.VMAP])
@pytest.mark.parametrize("patience", [0, 1])
def test_kept_weights_are_those_that_were_scored(engine: Engine, patience: int) -> None:
    recipe = replace(RECIPE, patience=patience, epochs=8, learning_rate=0.3)
    worker = worker_of(DATASET, recipe, engine)
    data = TrainingData.from_dataset(DATASET, TASKS)
    kept = worker.train_to_keep(REQUESTS)
    assert [one.outcome.scores for one in kept] == [one.scores for one in worker.train(REQUESTS)]
    for request, one in zip(REQUESTS, kept, strict=True):
        tasks = data.tasks_of(request.network.group)
        network = build_network(recipe, Blueprint(build_encoder(recipe, 6), one.widths, tasks)).eval()
        network.load_state_dict(load(one.weights))
        norms = [data.normalisations[task.name] for task in tasks]
        assert evaluate(data, norms, network).scores() == one.outcome.scores


def test_a_training_that_does_not_succeed_keeps_nothing() -> None:
    worker = worker_of(DATASET, replace(RECIPE, learning_rate=1e18))
    for one in worker.train_to_keep(REQUESTS):
        assert (one.outcome.state, one.weights) == (TrialState.DIVERGED, b"")


def test_validation_rows_are_trained_on_and_units_stay() -> None:
    data = TrainingData.from_dataset(DATASET, TASKS)
    wide = data.with_validation_trained()
    assert len(wide.train) == len(data.train) + len(data.validation)
    assert torch.equal(wide.train.inputs[:][-len(data.validation) :], data.validation.inputs[:])
    assert wide.normalisations["sum"].constants is data.normalisations["sum"].constants
    (plain,), (trained,) = (
        worker_of(DATASET).train_to_keep(REQUESTS[:1], on_validation=on) for on in (False, True)
    )
    assert plain.weights != trained.weights
    assert trained.outcome.state is TrialState.SUCCEEDED


def test_validation_rows_without_a_label_are_none_of_the_task() -> None:
    known = np.array(DATASET.targets["sum"])
    known[DATASET.validation[::2]] = np.nan
    gaps = replace(DATASET, targets={**DATASET.targets, "sum": known})
    assert TrainingData.from_dataset(gaps, TASKS).normalisations["sum"].labelled_share == 1
    (one,) = worker_of(gaps).train_to_keep(REQUESTS[:1], on_validation=True)
    assert one.outcome.state is TrialState.SUCCEEDED


def test_large_inputs_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TrainingData.from_dataset(DATASET, TASKS).with_validation_trained()
    monkeypatch.setattr("grouping.training.data.LARGE_BYTES", 1)
    large = TrainingData.from_dataset(DATASET, TASKS).with_validation_trained()
    assert isinstance(large.train.inputs, MappedRows)
    assert torch.equal(large.train.inputs[:], plain.train.inputs[:])
