"""What every metric must do: laws on random predictions, for those that come with the project and others."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from grouping.domain.tasks import Direction, Metric, Task, TaskKind
from grouping.recipes.criteria import get_metric, named_loss
from grouping.training.losses import Normalisation
from tests.contracts.losses import FEW, ROWS, SEEDS, WIDTHS, targets_of

LOSSES = {
    TaskKind.REGRESSION: "squared_error",
    TaskKind.DENSE_MAP: "absolute_error",
    TaskKind.BINARY: "binary_cross_entropy",
    TaskKind.MULTICLASS: "cross_entropy",
    TaskKind.RANKING: "cross_entropy",
}


def tasks_of(metric: Metric) -> list[Task]:
    """A task of each kind that the metric fits."""
    kinds = get_metric(metric).kinds
    return [Task("t", k, named_loss(LOSSES[k]), metric, n_outputs=WIDTHS.get(k, 3)) for k in kinds]


def predicted(task: Task, seed: int) -> tuple[Normalisation, Tensor, Tensor, Tensor]:
    """A normalisation, encoded targets, and raw outputs: the best that there are, and any."""
    generator = np.random.default_rng(seed)
    target = targets_of(task, generator)
    norm = Normalisation.from_targets(task, target)
    wanted = norm.encode(target)
    best = wanted
    if task.kind is TaskKind.BINARY:
        best = 20.0 * wanted - 10.0
    elif not wanted.is_floating_point():
        best = 10.0 * torch.nn.functional.one_hot(wanted, task.n_outputs).float()
    other = torch.from_numpy(generator.normal(size=best.shape)).float()
    return norm, wanted, best, other


class MetricContract:
    """Inherit it and give a fixture ``task``: one that names the metric."""

    @FEW
    @given(seed=SEEDS, share=st.floats(0.1, 1.0))
    def test_a_perfect_prediction_is_the_best_in_the_direction_that_is_declared(
        self, task: Task, seed: int, share: float
    ) -> None:
        norm, wanted, best, other = predicted(task, seed)
        assert task.metric is not None
        sign = 1.0 if task.metric.direction is Direction.HIGHER_IS_BETTER else -1.0
        top = sign * norm.metric(best, wanted)
        assert top >= sign * norm.metric(other, wanted)
        assert top >= sign * norm.metric((1 - share) * best + share * other, wanted)
        opposite = -best if task.kind is not TaskKind.MULTICLASS else best.roll(1, dims=1)
        assert top > sign * norm.metric(opposite, wanted)

    @FEW
    @given(seed=SEEDS)
    def test_the_order_of_the_rows_does_not_matter(self, task: Task, seed: int) -> None:
        norm, wanted, _, other = predicted(task, seed)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(ROWS))
        found = norm.metric(other[order], wanted[order])
        assert found == pytest.approx(norm.metric(other, wanted), rel=1e-9, abs=1e-12)

    @FEW
    @given(seed=SEEDS, n_rows=st.integers(1, 3))
    def test_it_is_finite_also_where_all_rows_are_alike(self, task: Task, seed: int, n_rows: int) -> None:
        norm, wanted, best, other = predicted(task, seed)
        for row in (0, ROWS - 2, ROWS - 1):  # the last two have both classes
            same = wanted[row : row + 1].repeat_interleave(n_rows, dim=0)
            assert math.isfinite(norm.metric(other[:n_rows], same))
            assert math.isfinite(norm.metric(best[row : row + 1].repeat_interleave(n_rows, dim=0), same))

    def test_outputs_that_are_no_numbers_raise_nothing(self, task: Task) -> None:
        norm, wanted, _, other = predicted(task, 0)
        for value in (math.nan, math.inf):
            norm.metric(torch.full_like(other, value), wanted)
