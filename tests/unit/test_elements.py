"""Tasks whose rows have elements: several labels, maps of classes, directions, and maps with gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, jaccard_score

from grouping.domain.networks import Network
from grouping.domain.tasks import Loss, Task
from grouping.domain.trainings.datasets import NO_CLASS, Dataset, labelled_rows
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.recipes import complete, complete_task, named_loss, named_metric
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, train_networks
from grouping.training.losses import Normalisation, StackableLoss

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE, CLASSES, N_ROWS = 4, 3, 240
PIXELS = SIDE * SIDE
L1 = named_loss("absolute_error")
TASKS = (
    Task.multilabel("labels", 3, metric=named_metric("f1")),
    Task.class_map("segments", CLASSES, PIXELS),
    Task.normals("normals", PIXELS),
    Task.dense_map("depth", PIXELS, loss=L1, metric=named_metric("mae")),
)
IMAGES = Recipe(
    hidden=(8, 16),
    epochs=14,
    batch_size=32,
    learning_rate=0.02,
    encoder=Method("convolutional", {"height": SIDE, "width": SIDE}),
)


def make_dataset(gaps: float) -> Dataset:
    """Small images of blocks from which all follows by pixel; a share of the elements has no label."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.normal(size=(N_ROWS, SIDE // 2, SIDE // 2)), np.ones((1, 2, 2)))
    images = blocks.reshape(N_ROWS, PIXELS).astype(np.float32)
    depth = (3 * images + 20).astype(np.float32)
    segments = np.digitize(images, (-0.4, 0.4)).astype(np.int64)
    normals = np.stack([np.sin(images), np.cos(images), 0.3 * images], axis=1)
    labels = (images[:, :3] > 0).astype(np.float32)
    missing = rng.random((N_ROWS, PIXELS)) < gaps
    depth[missing] = np.nan
    segments[missing] = NO_CLASS
    normals[np.repeat(missing[:, None], 3, axis=1)] = np.nan
    labels[missing[:, :3]] = np.nan
    targets: dict[str, NDArray[Any]] = {
        "labels": labels,
        "segments": segments,
        "normals": normals.reshape(N_ROWS, -1).astype(np.float32),
        "depth": depth,
    }
    parts = np.split(np.arange(N_ROWS, dtype=np.int64), [140, 190])
    return Dataset(images, targets, *parts)


COMPLETE, GAPPY = make_dataset(0.0), make_dataset(0.4)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_row_is_judged_by_its_labelled_elements_and_the_constant_scores_one(task: Task) -> None:
    data = TrainingData.from_dataset(GAPPY, (task,)).converted(torch.float64)
    norm, target = data.normalisations[task.name], data.train.targets[task.name]
    best = torch.from_numpy(np.array(norm.best_constant)).expand(len(target), -1)
    assert norm.loss_of_labelled(best, target) == pytest.approx(1, abs=1e-6)
    outputs = torch.randn(len(target), task.n_outputs, dtype=torch.float64, requires_grad=True)
    norm.batch_loss(outputs, target).backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    known = target >= 0 if task.name == "segments" else ~target.isnan()
    known = known.repeat(1, CLASSES) if task.name == "segments" else known
    assert outputs.grad.isfinite().all()
    assert (outputs.grad[~known] == 0).all(), "no gradient where there is no label"
    assert (outputs.grad[known] != 0).any()


def test_the_mean_of_a_map_with_gaps_is_that_of_its_labelled_pixels() -> None:
    target = np.array([[1, np.nan], [3, 5], [np.nan, 9], [2, 7]], dtype=np.float32)
    norm = Normalisation.from_targets(Task.dense_map("t", 2, loss=L1), target, has_gaps=True)
    outputs = torch.zeros(4, 2)
    own = norm.decode(outputs).numpy()
    rows = [np.nanmean(abs(row - mine)) for row, mine in zip(target, own, strict=True)]
    unit = float(norm.loss(outputs, norm.encode(target))) / np.mean(rows)
    np.testing.assert_allclose(norm.row_losses(outputs, norm.encode(target)).numpy(), np.array(rows) * unit)


def test_metrics_count_labelled_elements_in_the_units_of_the_target() -> None:
    data = TrainingData.from_dataset(GAPPY, TASKS)
    generator = torch.Generator().manual_seed(0)
    for task in TASKS:
        norm, target = data.normalisations[task.name], data.test.targets[task.name]
        outputs = torch.randn(len(target), task.n_outputs, generator=generator)
        raw = GAPPY.targets[task.name][GAPPY.test]
        found = norm.metric(outputs, target)
        if task.name == "labels":
            known = ~np.isnan(raw)
            assert found == pytest.approx(f1_score(raw[known], outputs.numpy()[known] > 0))
        elif task.name == "segments":
            known, chosen = raw != NO_CLASS, outputs.view(-1, CLASSES, PIXELS).argmax(dim=1).numpy()
            assert found == pytest.approx(jaccard_score(raw[known], chosen[known], average="macro"))
        elif task.name == "depth":
            assert found == pytest.approx(np.nanmean(abs(norm.decode(outputs).numpy() - raw)), rel=1e-4)
        else:
            unit = norm.decode(outputs).numpy().reshape(-1, 3, PIXELS)
            raw = raw.reshape(-1, 3, PIXELS)
            cosines = (unit * raw).sum(axis=1) / np.linalg.norm(raw, axis=1)
            assert found == pytest.approx(np.nanmean(np.degrees(np.arccos(cosines))), rel=1e-4)


@pytest.mark.parametrize("dataset", [COMPLETE, GAPPY], ids=["complete", "gaps"])
def test_maps_are_learned_by_convolutions_pixel_by_pixel(dataset: Dataset) -> None:
    data = TrainingData.from_dataset(dataset, TASKS)
    request = TrialRequest(Network.of(*(task.name for task in TASKS)), 0)
    (outcome,) = train_networks(data, [request], complete(IMAGES))
    losses = {score.task: score.validation_loss for score in outcome.scores}
    assert max(losses.values()) < 0.6, losses


def test_seeds_as_one_are_seeds_one_by_one() -> None:
    data = TrainingData.from_dataset(GAPPY, TASKS)
    recipe = complete(Recipe(hidden=(8,), epochs=2, batch_size=32))
    requests = [TrialRequest(Network.of("segments", "normals", "labels"), seed) for seed in range(2)]
    together = train_networks(data, requests, recipe, engine=Engine.VMAP)
    alone = train_networks(data, requests, recipe, engine=Engine.SEQUENTIAL)
    for one, other in zip(together, alone, strict=True):
        found, wanted = ([score.validation_loss for score in each.scores] for each in (one, other))
        assert found == pytest.approx(wanted, rel=1e-4)


def test_complete_labels_are_trained_in_stacks_and_others_are_not() -> None:
    complete_, gappy = (TrainingData.from_dataset(each, TASKS[:1]) for each in (COMPLETE, GAPPY))
    assert isinstance(complete_.normalisations["labels"].function, StackableLoss)
    assert not isinstance(gappy.normalisations["labels"].function, StackableLoss)


def changed(name: str, target: NDArray[Any]) -> Dataset:
    return replace(COMPLETE, targets={**COMPLETE.targets, name: target})


def test_what_cannot_be_computed_is_refused_with_what_can() -> None:
    segments, normals = COMPLETE.targets["segments"], COMPLETE.targets["normals"].copy()
    for dataset, says in (
        (changed("segments", segments + 1), r"classes outside 0\.\.2"),
        (changed("segments", segments.astype(np.float32)), "whole numbers of classes"),
        (changed("segments", segments[:, :5]), "has 5 pixels, and its task 48 outputs"),
        (changed("labels", COMPLETE.targets["labels"] * 2), "only 0 and 1"),
    ):
        with pytest.raises(InvalidInputError, match=says):
            dataset.check_tasks(TASKS)
    normals[0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="some of their three numbers missing"):
        changed("normals", normals).check_tasks(TASKS)
    with pytest.raises(InvalidInputError, match=r"does not fit its kind, class_map.*cross_entropy"):
        complete_task(Task.class_map("t", 2, 4, loss=Loss("huber")))
    with pytest.raises(InvalidInputError, match=r"does not fit its kind, normals.*angular_error"):
        complete_task(Task.normals("t", 4, metric=named_metric("rmse")))
    with pytest.raises(InvalidInputError, match="labelled in part: make its outputs tasks of their own"):
        replace(COMPLETE, targets={"t": np.array([[1, np.nan]] * N_ROWS, np.float32)}).check_tasks(
            (Task.regression("t", 2),)
        )


def test_a_row_without_any_label_counts_for_nothing() -> None:
    targets = {name: target.copy() for name, target in COMPLETE.targets.items()}
    for target in targets.values():
        target[:5] = NO_CLASS if target.dtype == np.int64 else np.nan
    for target in targets.values():
        assert labelled_rows(target).tolist() == [False] * 5 + [True] * (N_ROWS - 5)
    dataset = replace(COMPLETE, targets=targets)
    assert dataset.label_counts("segments") == {"train": 135, "validation": 50, "test": 50}
