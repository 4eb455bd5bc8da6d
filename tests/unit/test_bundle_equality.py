"""What a bundle predicts is what its networks predicted when they were scored, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Method, Part, Precision, Recipe
from grouping.recipes import list_losses, list_methods, list_metrics, named_loss, named_metric
from tests.bundles import Made, made_of_arrays, pixels, tokens
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

DATASET = make_dataset(rows=160)
RECIPE = Recipe(hidden=(10, 8), epochs=2, batch_size=30, learning_rate=0.02)
ENCODERS: dict[str, tuple[dict[str, Any], tuple[int, ...], Callable[[Dataset], Dataset]]] = {
    "mlp": ({}, (10, 8), lambda dataset: dataset),
    "convolutional": ({"height": 4, "width": 4}, (4, 6), lambda dataset: pixels(dataset, 16)),
    "xception": ({"height": 8, "width": 8}, (4, 6), lambda dataset: pixels(dataset, 64)),
    "transformer": (
        {"vocabulary": 9, "n_heads": 2, "max_length": 6},
        (4, 4),
        lambda dataset: tokens(dataset, 6),
    ),
}
"""Parameters, widths and data of each encoder; of one that is not here the defaults, on numbers."""
ON_THEIR_OWN = (Part.SHARING, Part.WEIGHTING, Part.ENCODER)
"""Parts of a recipe that have a test for each method."""


def check(made: Made) -> None:
    """The scores of the loaded bundle are those that its networks reported, and the check said so."""
    bundle = made.bundle
    assert made.scores(bundle) == made.reported(bundle)
    assert made.written.difference == 0
    assert bundle.manifest.is_exact
    served = [name for network in bundle.manifest.networks for name in network.serves]
    assert sorted(served) == sorted(task.name for task in made.source.tasks)
    assert any(len(network.serves) < len(network.group) for network in bundle.manifest.networks)


@pytest.mark.parametrize("sharing", [method.name for method in list_methods(Part.SHARING)])
def test_under_every_sharing(tmp_path: Path, sharing: str) -> None:
    check(made_of_arrays(tmp_path, DATASET, TASKS, replace(RECIPE, sharing=Method(sharing))))


@pytest.mark.parametrize("weighting", [method.name for method in list_methods(Part.WEIGHTING)])
def test_under_every_weighting(tmp_path: Path, weighting: str) -> None:
    check(made_of_arrays(tmp_path, DATASET, TASKS, replace(RECIPE, weighting=Method(weighting))))


@pytest.mark.parametrize("encoder", [method.name for method in list_methods(Part.ENCODER)])
def test_under_every_encoder(tmp_path: Path, encoder: str) -> None:
    parameters, widths, data_of = ENCODERS.get(encoder, ({}, RECIPE.hidden, lambda dataset: dataset))
    recipe = replace(RECIPE, encoder=Method(encoder, parameters), hidden=widths)
    check(made_of_arrays(tmp_path, data_of(DATASET), TASKS, recipe))


@pytest.mark.parametrize("part", [part for part in Part if part not in ON_THEIR_OWN])
def test_under_every_other_method(tmp_path: Path, part: Part) -> None:
    for number, method in enumerate(list_methods(part)):
        parameters = {"source_task": "sign"} if method.name == "fine-tuning" else {}
        chosen: dict[str, Any] = {part.value: Method(method.name, parameters)}
        recipe = replace(RECIPE, epochs=4, **chosen)
        dataset = pixels(DATASET, 16) if part is Part.AUGMENTATION else DATASET
        check(made_of_arrays(tmp_path / str(number), dataset, TASKS, recipe))


KINDS = {one.name: one.kinds for one in list_losses()} | {one.name: one.kinds for one in list_metrics()}


@pytest.mark.parametrize("name", KINDS)
def test_under_every_loss_and_metric(tmp_path: Path, name: str) -> None:
    dataset, tasks = every_kind()

    def told(task: Task) -> Task:
        if task.kind not in KINDS[name]:
            return task
        if name in {loss.name for loss in list_losses()}:
            return replace(task, loss=named_loss(name))
        return replace(task, metric=named_metric(name))

    assert any(task.kind in KINDS[name] for task in tasks), "a kind of task that `every_kind` lacks"
    check(made_of_arrays(tmp_path, dataset, tuple(map(told, tasks)), replace(RECIPE, epochs=1)))


@pytest.mark.parametrize("engine", [Engine.SEQUENTIAL, Engine.STACKED, Engine.VMAP])
@pytest.mark.parametrize("patience", [0, 1])
def test_by_every_engine_also_where_trainings_end_early(
    tmp_path: Path, engine: Engine, patience: int
) -> None:
    recipe = replace(RECIPE, epochs=6, learning_rate=0.3, patience=patience)
    check(made_of_arrays(tmp_path, DATASET, TASKS, recipe, engine))


def test_in_reduced_precision_and_at_other_sizes_of_batches(tmp_path: Path) -> None:
    check(made_of_arrays(tmp_path, DATASET, TASKS, replace(RECIPE, precision=Precision.BFLOAT16)))


def test_many_rows_are_computed_in_the_same_parts(tmp_path: Path) -> None:
    check(made_of_arrays(tmp_path, pixels(make_dataset(rows=12_000), 256), TASKS, replace(RECIPE, epochs=1)))


def every_kind() -> tuple[Dataset, tuple[Task, ...]]:
    """Data with a target of every kind that takes a loss or metric of its own, some of them with gaps."""
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(200, 6)).astype(np.float32)
    labels = (inputs[:, :3] > 0).astype(np.float32)
    labels[::7, 1] = np.nan
    classes = np.digitize(inputs[:, :4], [-0.5, 0.5]).astype(np.int64)
    classes[::9, 0] = -1
    directions = inputs @ rng.normal(size=(6, 6)) + 0.1
    tasks = (
        Task.multilabel("labels", 3),
        Task.regression("sign", 2),
        Task.class_map("classes", 3, 4),
        Task.normals("normals", 2),
        Task.multiclass("class", 3),
        Task.binary("yes"),
    )
    targets: dict[str, Any] = {
        "labels": labels,
        "sign": (50 + 9 * inputs[:, :2]).astype(np.float32),
        "classes": classes,
        "normals": directions.astype(np.float32),
        "class": np.digitize(inputs[:, 4], [-0.5, 0.5]).astype(np.int64),
        "yes": (inputs[:, 5] > 0).astype(np.float32),
    }
    train, validation, test = np.split(np.arange(200, dtype=np.int64), [100, 150])
    return Dataset(inputs, targets, train, validation, test), tasks


def test_over_every_kind_of_target(tmp_path: Path) -> None:
    made = made_of_arrays(tmp_path, *every_kind(), RECIPE)
    check(made)
    found = made.bundle.arrays(made.source.test_rows)
    assert found["sign"].mean() == pytest.approx(50, abs=9), "in the units of the data"
    assert ((found["labels"] >= 0) & (found["labels"] <= 1)).all()
    np.testing.assert_allclose(found["classes"].reshape(50, 3, 4).sum(axis=1), 1, rtol=1e-5)
    lengths = np.linalg.norm(found["normals"].reshape(50, 3, 2), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    table = made.bundle.predict(made.source.test_rows)
    assert list(table.columns)[:5] == ["labels 1", "labels 2", "labels 3", "sign 1", "sign 2"]
    assert set(table["classes 1"]) <= {0, 1, 2}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_over_rankings_of_texts(tmp_path: Path, place: int) -> None:
    """Served where it is trained, served where it helped elsewhere, and served beside a helper."""
    dataset = tokens(make_dataset(rows=120), 9)
    targets = {
        "best": np.argmax(dataset.inputs[:, [3, 6]], axis=1),
        "pair": (dataset.inputs[:, 0] > dataset.inputs[:, 3]).astype(np.float32),
        "sum": dataset.inputs.sum(axis=1, keepdims=True),
    }
    others = [Task.binary("pair").reading(0, 1), Task.regression("sum")]
    tasks = (*others[:place], Task.ranking("best", 0, (1, 2)), *others[place:])
    encoder = Method("transformer", {"vocabulary": 9, "n_heads": 2, "max_length": 3, "n_segments": 3})
    made = made_of_arrays(
        tmp_path, replace(dataset, targets=targets), tasks, replace(RECIPE, encoder=encoder, hidden=(4, 4))
    )
    check(made)
    table = made.bundle.predict(made.source.test_rows, probabilities=True)
    assert set(table["best"]) == {0, 1}
    np.testing.assert_allclose(table["best = 0"] + table["best = 1"], 1, rtol=1e-5)


def test_only_what_serves_is_in_the_files(tmp_path: Path) -> None:
    made = made_of_arrays(tmp_path, DATASET, TASKS, RECIPE)
    for network in made.bundle.manifest.networks:
        with safe_open(tmp_path / network.file, framework="pt") as file:
            names = set(file.keys())
        heads = {int(name.split(".")[1]) for name in names if name.startswith("heads.")}
        assert heads == {network.group.index(name) for name in network.serves}
        of_helpers = {f"heads.{n}.{kind}" for n in range(len(network.group)) for kind in ("weight", "bias")}
        assert set(network.left_out) == of_helpers - names


def test_a_task_of_its_own_column_leaves_out_what_only_helped(tmp_path: Path) -> None:
    made = made_of_arrays(tmp_path, DATASET, TASKS, replace(RECIPE, sharing=Method("soft")))
    (helped,) = [n for n in made.bundle.manifest.networks if len(n.serves) < len(n.group)]
    place = helped.group.index("sign")
    wanted = {f"stages.{s}.{place}.0.{kind}" for s in range(2) for kind in ("weight", "bias")}
    assert wanted <= set(helped.left_out), "the encoder of a task that another network serves"


def test_of_several_trainings_the_one_of_the_least_validation_loss_is_taken(tmp_path: Path) -> None:
    made = made_of_arrays(tmp_path, DATASET, TASKS, RECIPE)
    for n, network in enumerate(made.bundle.manifest.networks):
        losses = {
            one.seed: sum(one.score(name).validation_loss for name in network.serves)
            for one in made.finished.of_network(n)
        }
        assert losses[network.seed] == min(losses.values())
