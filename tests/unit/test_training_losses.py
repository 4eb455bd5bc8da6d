from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, TrainingError
from grouping.training.losses import Normalisation

ROWS = 200


def target_of(task: Task) -> NDArray[np.generic]:
    generator = np.random.default_rng(5)
    if task.name == "classes":
        return generator.choice(4, ROWS, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int64)
    if task.name == "yes or no":
        return (generator.random(ROWS) < 0.2).astype(np.float32)
    scale = 10.0 ** np.arange(task.n_outputs)
    return (1e3 + scale * generator.normal(size=(ROWS, task.n_outputs))).astype(np.float32)


EACH_KIND = pytest.mark.parametrize(
    "task",
    [
        Task.regression("number"),
        Task.regression("position", 2),
        Task.dense_map("map", 4),
        Task.binary("yes or no"),
        Task.multiclass("classes", 4),
    ],
    ids=lambda task: task.name,
)


def constant_outputs(norm: Normalisation) -> torch.Tensor:
    return torch.from_numpy(norm.best_constant).float().expand(ROWS, -1)


@EACH_KIND
def test_the_best_constant_prediction_scores_one(task: Task) -> None:
    target = target_of(task)
    norm = Normalisation.from_targets(task, target)
    assert float(norm.loss(constant_outputs(norm), norm.encode(target))) == pytest.approx(1, abs=1e-5)


@EACH_KIND
def test_no_other_constant_scores_less_than_one(task: Task) -> None:
    target = target_of(task)
    norm = Normalisation.from_targets(task, target)
    encoded = norm.encode(target)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        step = 0.1 * torch.randn(task.n_outputs, generator=generator)
        assert float(norm.loss(constant_outputs(norm) + step, encoded)) > 1 - 1e-6


@EACH_KIND
def test_a_perfect_prediction_scores_nothing_and_has_the_best_metric(task: Task) -> None:
    target = target_of(task)
    norm = Normalisation.from_targets(task, target)
    encoded = norm.encode(target)
    if task.name == "classes":
        outputs = 100.0 * torch.nn.functional.one_hot(encoded, 4).float()
    elif task.name == "yes or no":
        outputs = 100.0 * (2 * encoded - 1)
    else:
        outputs = encoded
    assert float(norm.loss(outputs, encoded)) == pytest.approx(0, abs=1e-6)
    assert norm.metric(outputs, encoded) == pytest.approx(1)


def test_squared_error_is_the_error_in_own_units_divided_by_the_mean_variance() -> None:
    task = Task.regression("position", 2)
    target = np.asarray(target_of(task), dtype=np.float64)
    norm = Normalisation.from_targets(task, target)
    outputs = torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(1))
    error = norm.decode(outputs).double().numpy() - target
    expected = np.square(error).mean() / target.var(axis=0).mean()
    assert float(norm.loss(outputs, norm.encode(target))) == pytest.approx(expected, rel=1e-4)


def test_decoded_classes_are_probabilities() -> None:
    for task in (Task.multiclass("classes", 4), Task.binary("yes or no")):
        norm = Normalisation.from_targets(task, target_of(task))
        probabilities = norm.decode(constant_outputs(norm))[0].numpy()
        values = np.asarray(target_of(task), dtype=np.float64)
        shares = np.bincount(values.astype(int)) / ROWS
        assert probabilities == pytest.approx(shares if task.n_outputs == 4 else shares[1:], abs=1e-5)


def test_constants_come_from_the_rows_given_and_not_from_those_encoded_later() -> None:
    task = Task.regression("number")
    norm = Normalisation.from_targets(task, np.array([[0.0], [2.0]]))
    assert norm.encode(np.array([[101.0]])).item() == pytest.approx(100.0)


def test_a_class_without_training_rows_costs_a_finite_loss() -> None:
    task = Task.multiclass("classes", 3)
    norm = Normalisation.from_targets(task, np.array([0, 1, 0, 1]))
    outputs = torch.from_numpy(norm.best_constant).float()[None]
    assert np.isfinite(float(norm.loss(outputs, norm.encode(np.array([2])))))


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (Task.regression("number"), np.full((5, 1), 3.5)),
        (Task.regression("number"), np.array([[1e6], [1e6], [np.nextafter(np.float32(1e6), 0)]])),
        (Task.dense_map("map", 2), np.ones((5, 2))),
        (Task.binary("yes or no"), np.ones(5)),
        (Task.binary("yes or no"), np.zeros(5)),
        (Task.multiclass("classes", 3), np.full(5, 2)),
    ],
)
def test_a_practically_constant_target_is_refused(task: Task, target: NDArray[np.generic]) -> None:
    with pytest.raises(TrainingError, match="practically constant"):
        Normalisation.from_targets(task, target)


def test_a_task_known_only_as_a_column_of_losses_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'imported': It has no loss to be trained on"):
        Normalisation.from_targets(Task("imported"), np.zeros((3, 1)))


def test_explained_variance_of_rows_that_do_not_vary_is_nought() -> None:
    task = Task.regression("number")
    norm = Normalisation.from_targets(task, np.array([[0.0], [2.0]]))
    same = norm.encode(np.array([[1.0], [1.0]]))
    assert norm.metric(same, same) == 0.0
