"""Bundles for tests: networks trained in this process, written to a folder and loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grouping.artefacts.kept import FinishedGrouping, KeptNetwork, LearnedRows
from grouping.bundle import Bundle, load
from grouping.bundle.inputs import ArrayInputs, Inputs, TableInputs
from grouping.bundle.source import BundleSource
from grouping.bundle.writing import About, Written, write_bundle
from grouping.data_sets.definitions import ProblemDefinition
from grouping.data_sets.making import make
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TaskScore, TrialRequest, TrialState
from grouping.recipes import complete
from grouping.trainers.workers import WorkerContext
from grouping.training.data import TrainingData
from grouping.training.losses import Normalisation
from grouping.training.worker import BuiltInWorker, WorkerMaker

SEEDS = (500, 501)


@dataclass(frozen=True)
class Made:
    """A bundle with what it was made of.

    Attributes:
        folder: its folder.
        written: what was written.
        source: its data.
        finished: the trained networks.
        files: their weights, by digest.
    """

    folder: Path
    written: Written
    source: BundleSource
    finished: FinishedGrouping
    files: Mapping[str, bytes]

    def weights_of(self, one: KeptNetwork) -> bytes:
        """The weights of a network."""
        return self.files[one.sha256]

    @property
    def bundle(self) -> Bundle:
        """The bundle, loaded."""
        return load(self.folder)

    def scores(self, bundle: Bundle) -> dict[str, tuple[float, float]]:
        """Test loss and metric of each task, computed from what the bundle gives for the user's rows."""
        data = TrainingData.from_dataset(self.source.dataset, self.source.tasks)
        outputs = bundle.raw_outputs(self.source.test_rows)
        found = {}
        for task in self.source.tasks:
            norm: Normalisation = data.normalisations[task.name]
            given = outputs[task.name].clone(), data.test.targets[task.name]
            found[task.name] = norm.deciding_loss(*given), norm.metric(*given)
        return found

    def reported(self, bundle: Bundle) -> dict[str, tuple[float | None, float | None]]:
        """The same as the trainings of its networks reported them."""
        found = {}
        for bundled in bundle.manifest.tasks:
            network = bundle.manifest.networks[bundled.network]
            (one,) = [
                kept
                for kept in self.finished.kept
                if (kept.group, kept.size, kept.seed) == (network.group, network.size, network.seed)
            ]
            score: TaskScore = one.score(bundled.task.name)
            found[bundled.task.name] = score.test_loss, score.test_metric
        return found


def overlapping(tasks: tuple[str, ...]) -> Grouping:
    """Two networks: one serves the first half of the tasks, the other the rest, with a helper."""
    half = (len(tasks) + 1) // 2
    first, second = Network.of(*tasks[:half]), Network.of(*tasks[half - 1 :])
    networks = tuple(sorted((first, second), key=lambda network: network.sort_key))
    serving = tuple(networks.index(first if n < half else second) for n in range(len(tasks)))
    return Grouping(tasks, networks, serving)


def made_of_arrays(
    folder: Path,
    dataset: Dataset,
    tasks: tuple[Task, ...],
    recipe: Recipe,
    engine: Engine = Engine.AUTO,
) -> Made:
    """Train, write and load networks on arrays."""
    inputs = ArrayInputs(int(dataset.inputs.shape[1]))
    source = BundleSource("Arrays", tasks, dataset, complete(recipe), inputs, dataset.inputs[dataset.test])
    return made_of(folder, source, engine)


def made_of_table(folder: Path, frame: pd.DataFrame, definition: ProblemDefinition) -> Made:
    """Train, write and load networks on a table."""
    made = make(frame, definition)
    inputs: Inputs = TableInputs(made.fitted)
    columns: Mapping[str, tuple[str, ...]] = {
        target.label: target.columns for target in definition.targets if len(target.columns) > 1
    }
    rows = frame.iloc[made.dataset.test]
    recipe = complete(made.recipe)
    source = BundleSource("A table", made.tasks, made.dataset, recipe, inputs, rows, made.classes, columns)
    return made_of(folder, source)


def made_of(folder: Path, source: BundleSource, engine: Engine = Engine.AUTO) -> Made:
    """Train, write and load the networks of a grouping that overlaps."""
    grouping = overlapping(tuple(task.name for task in source.tasks))
    maker = WorkerMaker("digest", source.tasks, source.recipe, engine)
    worker = BuiltInWorker([source.dataset], maker, WorkerContext())
    requests = [TrialRequest(network, seed) for network in grouping.networks for seed in SEEDS]
    kept, files = [], {}
    for request, training in zip(requests, worker.train_to_keep(requests), strict=True):
        assert training.outcome.state is TrialState.SUCCEEDED, training.outcome.error
        digest = hashlib.sha256(training.weights).hexdigest()
        files[digest] = training.weights
        group = tuple(score.task for score in training.outcome.scores)
        size, cost = request.network.size, request.network.cost_snt
        scores = training.outcome.scores
        kept.append(
            KeptNetwork(
                group, size, cost, request.seed, digest, len(training.weights), training.widths, scores
            )
        )
    finished = FinishedGrouping(
        "0" * 32,
        2.0,
        LearnedRows.TRAIN,
        grouping.tasks,
        grouping.serving,
        tuple(kept),
        source.dataset.digest(),
        {"torch": "any"},
    )
    about = About("As trained here.", "")
    written = write_bundle([str(folder)], finished, lambda one: files[one.sha256], source, about)
    return Made(folder, written, source, finished, files)


def tokens(dataset: Dataset, width: int, largest: int = 8) -> Dataset:
    """The data with whole numbers in place of numbers, as texts have them; some texts are shorter."""
    rng = np.random.default_rng(3)
    inputs = rng.integers(1, largest + 1, (len(dataset.inputs), width)).astype(np.float32)
    inputs[::3, width // 2 :] = 0
    return _with_inputs(dataset, inputs)


def pixels(dataset: Dataset, width: int) -> Dataset:
    """The data with that many numbers in a row, as images have them."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(len(dataset.inputs), width)).astype(np.float32)
    inputs[:, : dataset.inputs.shape[1]] = dataset.inputs
    return _with_inputs(dataset, inputs)


def _with_inputs(dataset: Dataset, inputs: Any) -> Dataset:
    return Dataset(inputs, dataset.targets, dataset.train, dataset.validation, dataset.test)
