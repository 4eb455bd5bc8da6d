"""The contract of metrics, for every built-in one, and what each of them is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from grouping.domain.tasks import Task, TaskKind
from grouping.recipes import list_metrics, named_loss, named_metric
from grouping.testing.losses import ROWS, targets_of
from grouping.testing.metrics import MetricContract, predicted, tasks_of
from grouping.training.losses import Normalisation
from tests.effort import examples

pytestmark = pytest.mark.usefixtures("one_thread")

CASES = [
    pytest.param(task, id=f"{info.name}-{task.kind}")
    for info in list_metrics()
    for task in tasks_of(named_metric(info.name))
]


@pytest.mark.parametrize("task", CASES)
class TestEveryMetric(MetricContract):
    pass


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 2**31))
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "poisson"])
def test_errors_are_in_the_targets_own_units_whatever_the_loss(loss: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    task = Task.regression("t", 2, loss=named_loss(loss))
    target = targets_of(task, generator)
    norm = Normalisation.from_targets(task, target)
    outputs = torch.from_numpy(generator.normal(size=(ROWS, 2)))
    numbers = norm.decode(outputs).numpy()
    values = {
        name: Normalisation.of(
            Task.regression("t", 2, loss=task.loss, metric=named_metric(name)), norm.constants
        ).metric(outputs, norm.encode(target))
        for name in ("mae", "rmse", "r2")
    }
    assert values["mae"] == pytest.approx(reference.mean_absolute_error(target, numbers), rel=1e-4)
    assert values["rmse"] == pytest.approx(reference.mean_squared_error(target, numbers) ** 0.5, rel=1e-4)
    wanted = reference.r2_score(target, numbers, multioutput="variance_weighted")
    assert values["r2"] == pytest.approx(wanted, rel=1e-3, abs=1e-3)


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 2**31))
def test_accuracies_are_those_of_scikit_learn(seed: int) -> None:
    for kind, names in (
        (TaskKind.MULTICLASS, ("accuracy", "balanced_accuracy")),
        (TaskKind.BINARY, ("accuracy",)),
    ):
        for name in names:
            (task,) = [task for task in tasks_of(named_metric(name)) if task.kind is kind]
            norm, wanted, _, other = predicted(task, seed)
            chosen = other.argmax(dim=1) if kind is TaskKind.MULTICLASS else (other > 0).flatten()
            function = getattr(reference, f"{name}_score")
            present = np.isin(chosen.numpy(), wanted.numpy()).all()
            if present:  # scikit-learn warns of predicted classes that no row has
                expected = function(wanted.flatten().numpy(), chosen.numpy())
                assert norm.metric(other, wanted) == pytest.approx(expected)


def test_a_task_that_names_no_metric_is_reported_by_accuracy_or_explained_variance() -> None:
    for named, unnamed in (
        (Task.regression("t"), Task("t", TaskKind.REGRESSION, named_loss("squared_error"))),
        (Task.binary("t"), Task("t", TaskKind.BINARY, named_loss("binary_cross_entropy"))),
    ):
        norm, wanted, _, other = predicted(named, 3)
        assert Normalisation.of(unnamed, norm.constants).metric(other, wanted) == norm.metric(other, wanted)


def test_what_dynamic_task_prioritisation_looks_at_does_not_depend_on_the_metric_that_is_reported() -> None:
    plain, other = (Task.regression("t", metric=named_metric(name)) for name in ("r2", "mae"))
    norm, wanted, _, outputs = predicted(plain, 1)
    changed = Normalisation.of(other, norm.constants)
    assert changed.share_learned(outputs, wanted) == norm.metric(outputs, wanted)
    assert changed.metric(outputs, wanted) != norm.metric(outputs, wanted)
