"""Test contract of metrics: inherit `MetricContract`, and give the tasks that name the metric.

@pytest.mark.parametrize("task", tasks_of(named_metric("within", tolerance=1e-6)))
class TestMyMetric(MetricContract):
    pass
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from grouping.domain.tasks import Direction, Metric, Task, TaskKind
from grouping.recipes.losses_and_metrics import get_metric, named_loss
from grouping.testing.losses import N_CASES, PIXELS, ROWS, WIDTHS, targets_of
from grouping.training.losses import Normalisation

LOSSES = {
    TaskKind.REGRESSION: "squared_error",
    TaskKind.DENSE_MAP: "absolute_error",
    TaskKind.BINARY: "binary_cross_entropy",
    TaskKind.MULTICLASS: "cross_entropy",
    TaskKind.RANKING: "cross_entropy",
    TaskKind.MULTILABEL: "binary_cross_entropy",
    TaskKind.CLASS_MAP: "cross_entropy",
    TaskKind.NORMALS: "cosine",
}


def tasks_of(metric: Metric) -> list[Task]:
    """Return a task of each kind that the metric fits."""
    kinds = get_metric(metric).kinds
    return [Task("t", k, named_loss(LOSSES[k]), metric, n_outputs=WIDTHS.get(k, 3)) for k in kinds]


def predicted(task: Task, seed: int) -> tuple[Normalisation, Tensor, Tensor, Tensor]:
    """Return a normalisation, encoded targets, and raw outputs: the best possible, and random ones."""
    generator = np.random.default_rng(seed)
    target = targets_of(task, generator)
    norm = Normalisation.from_targets(task, target)
    wanted = norm.encode(target)
    best = wanted
    if task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL):
        best = 20.0 * wanted - 10.0
    elif task.kind is TaskKind.CLASS_MAP:
        classes = torch.nn.functional.one_hot(wanted, task.n_outputs // PIXELS)
        best = 10.0 * classes.transpose(1, 2).flatten(1).float()
    elif not wanted.is_floating_point():
        best = 10.0 * torch.nn.functional.one_hot(wanted, task.n_outputs).float()
    other = torch.from_numpy(generator.normal(size=best.shape)).float()
    return norm, wanted, best, other


def cases(task: Task) -> Iterator[tuple[Normalisation, Tensor, Tensor, Tensor]]:
    """Yield several results of `predicted`."""
    return (predicted(task, seed) for seed in range(N_CASES))


class MetricContract:
    """Tests of one metric, given as ``task``, a task that names it: see the module."""

    def test_a_perfect_prediction_is_the_best_in_the_direction_that_is_declared(self, task: Task) -> None:
        assert task.metric is not None
        sign = 1.0 if task.metric.direction is Direction.HIGHER_IS_BETTER else -1.0
        for norm, wanted, best, other in cases(task):
            top = sign * norm.metric(best, wanted)
            assert top >= sign * norm.metric(other, wanted)
            assert top >= sign * norm.metric(0.9 * best + 0.1 * other, wanted)
            shift = {TaskKind.MULTICLASS: 1, TaskKind.CLASS_MAP: PIXELS}.get(task.kind)
            opposite = -best if shift is None else best.roll(shift, dims=1)
            assert top > sign * norm.metric(opposite, wanted)

    def test_the_order_of_the_rows_does_not_matter(self, task: Task) -> None:
        for norm, wanted, _, other in cases(task):
            found = norm.metric(other.flip(0), wanted.flip(0))
            assert found == pytest.approx(norm.metric(other, wanted), rel=1e-9, abs=1e-12)

    def test_it_is_finite_also_where_all_rows_are_alike(self, task: Task) -> None:
        for norm, wanted, best, other in cases(task):
            for row in (0, ROWS - 2, ROWS - 1):  # the last two have both classes
                for n_rows in (1, 3):
                    same, right = (every[[row] * n_rows] for every in (wanted, best))
                    assert math.isfinite(norm.metric(other[:n_rows], same))
                    assert math.isfinite(norm.metric(right, same))

    def test_outputs_that_are_no_numbers_raise_nothing(self, task: Task) -> None:
        norm, wanted, _, other = predicted(task, 0)
        for value in (math.nan, math.inf):
            norm.metric(torch.full_like(other, value), wanted)
