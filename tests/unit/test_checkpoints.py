"""Checkpoints: a training goes on from one as if it had never stopped, and from nothing that is not one."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TaskScore, TrialRequest, TrialState
from grouping.training.checkpoints import Checkpoint, CheckpointFolder, CheckpointKeeper
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from grouping.training.loop import Training

TASKS = (Task.regression("depth"), Task.binary("edges"))
RECIPE = Recipe(hidden=(6, 6), epochs=10, batch_size=16)
NETWORKS = (Network.of("depth"), Network.of("depth", "edges"), Network.of("edges"))


@pytest.fixture(scope="module")
def data() -> TrainingData:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(60, 5)).astype(np.float32)
    depth = (inputs @ generator.normal(size=(5, 1))).astype(np.float32)
    targets: dict[str, np.ndarray[Any, Any]] = {"depth": depth, "edges": (inputs[:, 0] > 0).astype(np.int64)}
    rows = np.arange(60)
    return TrainingData.from_dataset(Dataset(inputs, targets, rows[:30], rows[30:45], rows[45:]), TASKS)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "job", "0f", TASKS, RECIPE)


pytestmark = pytest.mark.usefixtures("one_thread")


class StopAfter:
    """Says stop when asked for the time of that number."""

    def __init__(self, n_epochs: int) -> None:
        self._left = n_epochs

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def keeper(folder: CheckpointFolder, *requests: TrialRequest, interval_s: float = 0.0) -> CheckpointKeeper:
    return CheckpointKeeper(folder, requests, RECIPE, interval_s=interval_s)


def undisturbed(data: TrainingData, request: TrialRequest) -> tuple[TaskScore, ...]:
    """The scores of a training that is never stopped nor saved."""
    return train_networks(data, [request], RECIPE)[0].scores


def test_a_training_that_was_stopped_ends_with_the_floats_of_one_that_was_not(
    data: TrainingData, folder: CheckpointFolder
) -> None:
    requests = [TrialRequest(network, seed=3) for network in NETWORKS]
    first = keeper(folder, *requests)
    stopped = train_networks(data, requests, RECIPE, keeper=first, should_stop=StopAfter(4))
    assert {outcome.state for outcome in stopped} == {TrialState.FAILED}
    second = keeper(folder, *requests)
    for request in requests:
        outcome = train_networks(data, [request], RECIPE, keeper=second)[0]
        assert outcome.scores == undisturbed(data, request)
        assert second.with_own_epochs(request, outcome).epochs == RECIPE.epochs, (
            "no other trial accounts for an epoch"
        )


def test_a_full_training_goes_on_from_a_short_one_and_tells_its_own_epochs_only(
    data: TrainingData, folder: CheckpointFolder
) -> None:
    shorts = [TrialRequest(network, seed=0, fidelity=0.2) for network in NETWORKS]
    early = keeper(folder, *shorts, interval_s=1e9)
    for request, outcome in zip(shorts, train_networks(data, shorts, RECIPE, keeper=early), strict=True):
        assert early.with_own_epochs(request, outcome).epochs == 2
    wholes = [dataclasses.replace(request, fidelity=1.0) for request in shorts]
    late = keeper(folder, *wholes, interval_s=1e9)
    for request, outcome in zip(wholes, train_networks(data, wholes, RECIPE, keeper=late), strict=True):
        assert outcome.scores == undisturbed(data, request)
        assert late.with_own_epochs(request, outcome).epochs == 8


def test_a_full_training_that_went_on_from_a_short_one_and_was_killed_still_tells_its_own_epochs(
    data: TrainingData, folder: CheckpointFolder
) -> None:
    short = TrialRequest(NETWORKS[1], seed=0, fidelity=0.2)
    train_networks(data, [short], RECIPE, keeper=keeper(folder, short))
    whole = dataclasses.replace(short, fidelity=1.0)
    train_networks(data, [whole], RECIPE, keeper=keeper(folder, whole), should_stop=StopAfter(3))
    late = keeper(folder, whole)
    (outcome,) = train_networks(data, [whole], RECIPE, keeper=late)
    assert outcome.scores == undisturbed(data, whole)
    assert late.with_own_epochs(whole, outcome).epochs == 8


def test_a_short_training_repeated_after_its_end_was_not_recorded_tells_its_epochs(
    data: TrainingData, folder: CheckpointFolder
) -> None:
    short = TrialRequest(NETWORKS[1], seed=0, fidelity=0.2)
    train_networks(data, [short], RECIPE, keeper=keeper(folder, short))
    again = keeper(folder, short)
    (outcome,) = train_networks(data, [short], RECIPE, keeper=again)
    assert again.with_own_epochs(short, outcome).epochs == 2
    assert outcome.scores == undisturbed(data, short)


def test_a_short_training_does_not_go_on_from_a_longer_one(
    data: TrainingData, folder: CheckpointFolder
) -> None:
    whole = TrialRequest(NETWORKS[0], seed=0)
    train_networks(data, [whole], RECIPE, keeper=keeper(folder, whole), should_stop=StopAfter(6))
    assert folder.read(whole) is not None
    assert folder.read(dataclasses.replace(whole, fidelity=0.2)) is None


def test_trainings_that_measure_affinities_go_on_only_from_themselves(folder: CheckpointFolder) -> None:
    plain = TrialRequest(NETWORKS[1], seed=0)
    measuring = dataclasses.replace(plain, measures_affinity=True)
    short = dataclasses.replace(measuring, fidelity=0.2)
    assert len({folder.path(plain), folder.path(measuring), folder.path(short)}) == 3


def test_what_decides_the_floats_decides_the_name(tmp_path: Path) -> None:
    request = TrialRequest(NETWORKS[0], seed=0)
    others = [
        CheckpointFolder(tmp_path, "10", TASKS, RECIPE).path(request),
        CheckpointFolder(tmp_path, "0f", TASKS[:1], RECIPE).path(request),
        CheckpointFolder(tmp_path, "0f", TASKS, dataclasses.replace(RECIPE, learning_rate=0.1)).path(request),
        CheckpointFolder(tmp_path, "0f", TASKS, RECIPE).path(dataclasses.replace(request, seed=1)),
        CheckpointFolder(tmp_path, "0f", TASKS, RECIPE).path(TrialRequest(Network.of("depth", size=0.5), 0)),
        CheckpointFolder(tmp_path, "0f", TASKS, RECIPE).path(TrialRequest(NETWORKS[1], seed=0)),
    ]
    path = CheckpointFolder(tmp_path, "0f", TASKS, RECIPE).path(request)
    assert len({path, *others}) == 7
    spelled_out = dataclasses.replace(RECIPE, optimiser=Method("adamw", {}))
    same = dataclasses.replace(request, fidelity=0.2, network=Network.of("depth", cost_snt=0.9))
    assert CheckpointFolder(tmp_path, "0f", TASKS, spelled_out).path(same) == path


def test_a_checkpoint_is_written_when_the_interval_is_over(folder: CheckpointFolder) -> None:
    now = [0.0]
    request = TrialRequest(NETWORKS[0], seed=0)
    own = CheckpointKeeper(folder, [request], RECIPE, interval_s=30.0, clock=lambda: now[0])
    due = []
    for epoch in range(1, 11):
        now[0] += 11.0
        due.append(own.is_due(epoch))
    assert due == [False, False, True, False, False, True, False, False, True, False]


def _some_checkpoint(data: TrainingData) -> Checkpoint:
    training = Training(data, TrialRequest(NETWORKS[0], seed=0), RECIPE)
    training.run_epoch()
    return Checkpoint(training.state_dict(), 1, 10)


def _damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "nonsense":
        path.write_bytes(b"\xff" * 5000)
    elif how == "unsigned":
        save_file(load_file(path), path)
    elif how == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "nonsense", "unsigned", "a folder"])
def test_a_damaged_file_is_told_and_the_training_starts_anew(
    data: TrainingData, folder: CheckpointFolder, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = TrialRequest(NETWORKS[0], seed=0)
    folder.write(request, _some_checkpoint(data))
    assert folder.read(request) is not None
    _damage(folder.path(request), how)
    with caplog.at_level(logging.WARNING):
        (outcome,) = train_networks(data, [request], RECIPE, keeper=keeper(folder, request))
    assert outcome.scores == undisturbed(data, request)
    assert "ignored" in caplog.text
    assert folder.path(request).name in caplog.text


def test_the_file_of_another_training_is_not_taken_for_ones_own(
    data: TrainingData, folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    request, other = TrialRequest(NETWORKS[0], seed=0), TrialRequest(NETWORKS[0], seed=1)
    folder.write(other, _some_checkpoint(data))
    folder.path(other).rename(folder.path(request))
    assert folder.read(request) is None
    assert "something else" in caplog.text


def test_a_state_comes_back_to_the_last_bit(data: TrainingData, folder: CheckpointFolder) -> None:
    request = TrialRequest(NETWORKS[0], seed=0)
    written = dataclasses.replace(_some_checkpoint(data), first_epoch=1)
    folder.write(request, written)
    read = folder.read(request)
    assert read is not None
    assert (read.epoch, read.n_epochs, read.first_epoch) == (1, 10, 1)
    assert read.state.keys() == written.state.keys()
    for name, value in written.state.items():
        assert torch.equal(read.state[name], value)
        assert read.state[name].dtype == value.dtype
    assert [path.name for path in folder.path(request).parent.iterdir()] == [folder.path(request).name]


def test_a_disk_that_refuses_costs_the_checkpoint_and_not_the_training(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = CheckpointFolder(tmp_path / "file" / "job", "0f", TASKS, RECIPE)
    request = TrialRequest(NETWORKS[0], seed=0)
    (outcome,) = train_networks(data, [request], RECIPE, keeper=keeper(folder, request))
    assert outcome.state is TrialState.SUCCEEDED
    assert "could be written" in caplog.text
