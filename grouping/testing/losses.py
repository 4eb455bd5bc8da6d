"""Test contract of losses: inherit `LossContract`, and give the tasks that name the loss.

@pytest.mark.parametrize("task", tasks_of(Loss("brier")))
class TestMyLoss(LossContract):
    pass
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import pad

from grouping.domain.tasks import Loss, Task, TaskKind
from grouping.recipes.losses_and_metrics import get_loss
from grouping.recipes.metrics.declaration import CLASSES
from grouping.training.losses import Normalisation, StackableLoss

ROWS = 48
PIXELS = 2
WIDTHS = {
    TaskKind.REGRESSION: 2,
    TaskKind.DENSE_MAP: 5,
    TaskKind.BINARY: 1,
    TaskKind.MULTICLASS: 4,
    TaskKind.CLASS_MAP: 3 * PIXELS,
    TaskKind.NORMALS: 3 * PIXELS,
}
N_CASES = 6


def tasks_of(loss: Loss) -> list[Task]:
    """Return a task of each kind that the loss fits."""
    return [Task("t", kind, loss, n_outputs=WIDTHS.get(kind, 3)) for kind in get_loss(loss).kinds]


def targets_of(task: Task, generator: np.random.Generator) -> NDArray[Any]:
    """Draw targets, shaped as in a `Dataset`; numbers are skewed and not negative, and some are alike."""
    if task.kind in (TaskKind.MULTICLASS, TaskKind.RANKING):
        return np.append(generator.integers(task.n_outputs, size=ROWS - 2), [0, 1]).astype(np.int64)
    if task.kind is TaskKind.CLASS_MAP:
        drawn = generator.integers(task.n_outputs // PIXELS, size=(ROWS - 2, PIXELS))
        return np.append(drawn, [[0] * PIXELS, [1] * PIXELS], axis=0).astype(np.int64)
    if task.kind is TaskKind.NORMALS:
        return (generator.normal(size=(ROWS, task.n_outputs)) + 0.5).astype(np.float32)
    if task.kind is TaskKind.MULTILABEL:
        labels = generator.random((ROWS - 2, task.n_outputs)) < generator.random(task.n_outputs)
        both = [[0] * task.n_outputs, [1] * task.n_outputs]
        return np.append(labels, both, axis=0).astype(np.float32)
    if task.kind is TaskKind.BINARY:
        return np.append(generator.random(ROWS - 2) < generator.random(), [0, 1]).astype(np.float32)
    scale = 10.0 ** generator.uniform(-2, 2, size=task.n_outputs)
    numbers = scale * np.exp(generator.normal(size=(ROWS, task.n_outputs)))
    return np.where(generator.random(numbers.shape) < 0.3, 0.0, numbers).astype(np.float32)


def cases(task: Task) -> Iterator[tuple[Normalisation, Tensor, Tensor]]:
    """Yield normalisations, outputs ``[ROWS, n_outputs]``, and the encoded targets they are for; float64."""
    for seed in range(N_CASES):
        generator = np.random.default_rng(seed)
        target = targets_of(task, generator)
        norm = Normalisation.from_targets(task, target)
        outputs = generator.normal(size=(ROWS, task.n_outputs)) * generator.uniform(0.1, 3)
        encoded = norm.encode(target)
        yield norm, torch.from_numpy(outputs), encoded.double() if encoded.is_floating_point() else encoded


def as_heads(tensor: Tensor) -> Tensor:
    """Reshape ``[rows]`` or ``[rows, k]`` to a stack of one head, ``[1, k, rows]``."""
    return tensor.view(len(tensor), -1).T.unsqueeze(0).contiguous()


def stacked(norm: Normalisation, outputs: Tensor, targets: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Compute what a stack computes of each head; the arguments stay as they are."""
    assert isinstance(norm.function, StackableLoss)
    factors = torch.full((len(outputs), 1, 1), 1.0 / norm.constants.divisor, dtype=outputs.dtype)
    return norm.function.stacked(outputs.clone(), targets.clone(), factors, n_rows)


def assert_close(found: Tensor, wanted: Tensor, relative: float = 1e-9) -> None:
    """Assert that tensors are equal but for rounding."""
    torch.testing.assert_close(found, wanted, rtol=relative, atol=1e-12)


class LossContract:
    """Tests of one loss, given as ``task``, a task that names it: see the module."""

    def test_rows_are_finite_and_never_negative(self, task: Task) -> None:
        for norm, outputs, targets in cases(task):
            rows = norm.function.rows(outputs, targets)
            assert rows.shape == (ROWS,)
            assert rows.isfinite().all()
            assert rows.min() >= -1e-12

    def test_the_mean_of_the_rows_is_the_loss_of_the_batch(self, task: Task) -> None:
        for norm, outputs, targets in cases(task):
            mean = norm.function.rows(outputs, targets).mean() / norm.constants.divisor
            assert_close(norm.loss(outputs, targets), mean)

    def test_the_best_constant_scores_one_and_no_other_constant_less(self, task: Task) -> None:
        for norm, outputs, targets in cases(task):
            best = torch.from_numpy(norm.best_constant)
            assert float(norm.loss(best.expand(ROWS, -1), targets)) == pytest.approx(1, abs=1e-5)
            for size in (0.01, 0.1, 0.3, 3.0):
                for step in outputs[:4]:
                    other = (best + size * step).expand(ROWS, -1)
                    assert float(norm.loss(other, targets)) > 1 - 1e-5

    def test_numbers_in_other_units_are_the_same_to_a_network(self, task: Task) -> None:
        target = targets_of(task, np.random.default_rng(0))
        norm = Normalisation.from_targets(task, target)
        if task.kind in (*CLASSES, TaskKind.RANKING):
            assert norm.encode(target).flatten().tolist() == target.flatten().tolist()
            return
        larger = Normalisation.from_targets(task, 8 * target.astype(np.float64))
        assert_close(larger.encode(8 * target), norm.encode(target), 1e-5)
        assert larger.constants.divisor == pytest.approx(norm.constants.divisor)

    def test_the_written_gradient_is_that_of_autograd(self, task: Task) -> None:
        for number, (norm, outputs, targets) in enumerate(cases(task)):
            if not isinstance(norm.function, StackableLoss):
                return
            n_rows = (ROWS, 1, 31)[number % 3]
            few = outputs[:n_rows].clone().requires_grad_()
            value = norm.loss(few, targets[:n_rows])
            (wanted,) = torch.autograd.grad(value, few)
            losses, gradients = stacked(norm, as_heads(outputs), as_heads(targets), n_rows)
            assert_close(losses[0], value.detach())
            assert_close(gradients[0].T[:n_rows], wanted, 1e-6)
            assert not gradients[0].T[n_rows:].any()

    def test_a_head_gets_the_same_bits_in_any_company(self, task: Task) -> None:
        for number, (norm, outputs, targets) in enumerate(cases(task)):
            if not isinstance(norm.function, StackableLoss):
                return
            n_heads, more = 2 + number, (0, 64 - ROWS)
            wanted = pad(as_heads(targets.float() if targets.is_floating_point() else targets), more)
            one = pad(as_heads(outputs.float()), more)
            heads = torch.cat([one * (head + 1) for head in range(n_heads)])
            losses, gradients = stacked(norm, heads, wanted.expand(n_heads, -1, -1), ROWS)
            for head in range(n_heads):
                alone = stacked(norm, heads[head : head + 1], wanted, ROWS)
                assert torch.equal(alone[0][0], losses[head])
                assert torch.equal(alone[1][0], gradients[head])

    def test_it_can_be_vectorised_over_weights_and_over_rows(self, task: Task) -> None:
        for norm, outputs, targets in cases(task):
            several = torch.stack([outputs, 2 * outputs, -outputs])
            found = vmap(norm.loss, in_dims=(0, None))(several, targets)
            assert_close(found, torch.stack([norm.loss(one, targets) for one in several]))
            by_row = vmap(norm.loss)(outputs.unsqueeze(1), targets.unsqueeze(1))
            assert_close(by_row.mean(), norm.loss(outputs, targets))

    def test_it_falls_along_its_gradient(self, task: Task) -> None:
        for norm, outputs, targets in cases(task):
            moved = outputs.clone().requires_grad_()
            optimiser = torch.optim.Adam([moved], lr=0.1)
            before = float(norm.loss(outputs, targets))
            for _ in range(30):
                optimiser.zero_grad()
                norm.loss(moved, targets).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            assert float(norm.loss(moved.detach(), targets)) < before

    def test_its_parameters_are_plain_values(self, task: Task) -> None:
        values = dataclasses.asdict(get_loss(task.loss)).values()  # type: ignore[call-overload]
        assert all(isinstance(value, (str, int, float, bool)) for value in values)
