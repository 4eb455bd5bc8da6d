"""Large data: inputs that are read where they lie give the bits of tensors, and are shared by processes."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.shared_arrays import SharedArray, handed_over_by_path, shared, with_shared_inputs
from grouping.training import evaluation
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, batches, train_networks
from grouping.training.mapped_rows import MappedRows
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(sys.platform != "linux", reason="arrays are shared by way of /proc"),
]
REQUESTS = [TrialRequest(Network.of(*group), 0) for group in (["class"], ["sum", "map"], ["sign", "sum"])]
SEEDS = [TrialRequest(Network.of("class", "sum"), seed) for seed in range(3)]


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grouping.training.data.LARGE_BYTES", 0)
    monkeypatch.setattr("grouping.shared_arrays.LARGE_BYTES", 0)
    monkeypatch.setattr("grouping.domain.trainings.datasets.BLOCK_BYTES", 1000)


@pytest.fixture
def mapped(everything_is_large: None) -> TrainingData:
    found = make_dataset(rows=220)
    dataset = with_shared_inputs(found)
    assert isinstance(dataset.inputs, SharedArray)
    assert dataset.digest() == found.digest()
    data = TrainingData.from_dataset(dataset, TASKS)
    assert isinstance(data.train.inputs, MappedRows)
    return data


@pytest.mark.parametrize(
    ("engine", "requests", "recipe"),
    [
        (Engine.STACKED, REQUESTS, Recipe(hidden=(8,), epochs=2, batch_size=24, patience=1)),
        (Engine.SEQUENTIAL, REQUESTS[1:2], Recipe(hidden=(8,), epochs=2, batch_size=24)),
        (Engine.VMAP, SEEDS, Recipe(hidden=(8,), epochs=2, batch_size=24)),
        (
            Engine.SEQUENTIAL,
            SEEDS[:1],
            Recipe(hidden=(8,), epochs=2, sharing=Method("adaptive-widening"), augmentation=Method("noise")),
        ),
    ],
)
def test_scores_are_those_of_tensors_in_every_engine(
    mapped: TrainingData,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    requests: list[TrialRequest],
    recipe: Recipe,
) -> None:
    found = train_networks(mapped, requests, recipe, engine=engine)
    monkeypatch.setattr(batches, "MOST_NUMBERS", 1)  # a step at a time
    again = train_networks(mapped, requests, recipe, engine=engine)
    monkeypatch.undo()
    data = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
    assert isinstance(data.train.inputs, torch.Tensor)
    wanted = train_networks(data, requests, recipe, engine=engine)
    for outcomes in (found, again):
        assert [(o.scores, o.error) for o in outcomes] == [(o.scores, o.error) for o in wanted]


def test_networks_are_scored_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def forward(rows: torch.Tensor) -> list[torch.Tensor]:
        seen.append(len(rows))
        return [rows * 2, rows.sum(dim=1)]

    rows = torch.randn(100, 6)
    monkeypatch.setattr(evaluation, "MOST_NUMBERS", 200)
    doubled, total = evaluation.outputs_of(forward, rows)
    assert seen == [33, 33, 33, 1]
    assert torch.equal(doubled, rows * 2)
    assert torch.equal(total, rows.sum(dim=1))


READ = """
import pickle, sys
array = pickle.loads(sys.stdin.buffer.read())
mapped = [line for line in open("/proc/self/maps") if "mtl-grouping" in line or "(deleted)" in line]
print(type(array).__name__, float(array.sum()), array.flags.writeable, len(mapped))
"""


@pytest.mark.usefixtures("everything_is_large")
def test_another_process_maps_the_same_file_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    array = np.arange(6000, dtype=np.float32).reshape(1000, 6)
    made = shared(array)
    assert np.array_equal(made, array)
    with handed_over_by_path():
        place, part = pickle.dumps(made), pickle.dumps(made[10:20])
    numbers = pickle.dumps(made)
    assert len(place) < 300 < array.nbytes < len(numbers)
    assert np.array_equal(pickle.loads(part), array[10:20]), "a part is no file of its own"
    assert type(pickle.loads(numbers)) is np.ndarray
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", READ], input=place, capture_output=True, env=environment, check=True
    )
    assert done.stdout.split() == [b"SharedArray", str(float(array.sum())).encode(), b"False", b"1"]
    del made
    with pytest.raises(TrainingError, match="cannot be read by this worker"):
        pickle.loads(place)
    descriptor = int(re.findall(rb"/fd/(\d+)", place)[0])
    with tempfile.TemporaryFile() as other:
        other.write(array.tobytes())
        os.dup2(other.fileno(), descriptor)
        with pytest.raises(TrainingError, match="another file is there"):
            pickle.loads(place)
        os.close(descriptor)


@pytest.mark.usefixtures("everything_is_large")
def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, some: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda prefix: Full())
    with pytest.raises(TrainingError, match=r"No space left on device.*TMPDIR"):
        shared(np.zeros((5, 5), np.float32))
