"""What every loss must do, built in or not: laws on random targets and outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import pad

from grouping.domain.tasks import Loss, Task, TaskKind
from grouping.recipes.criteria import get_loss
from grouping.training.losses import Normalisation, StackableLoss

ROWS = 48
WIDTHS = {TaskKind.REGRESSION: 2, TaskKind.DENSE_MAP: 5, TaskKind.BINARY: 1, TaskKind.MULTICLASS: 4}
SEEDS = st.integers(0, 2**31)
FEW = settings(max_examples=10, deadline=None)


def tasks_of(loss: Loss) -> list[Task]:
    """A task of each kind that the loss fits."""
    return [Task("t", kind, loss, n_outputs=WIDTHS.get(kind, 3)) for kind in get_loss(loss).kinds]


def targets_of(task: Task, generator: np.random.Generator) -> NDArray[Any]:
    """Random targets, shaped as in a `Dataset`; numbers are skewed and not negative, and some are alike."""
    if task.kind in (TaskKind.MULTICLASS, TaskKind.RANKING):
        return np.append(generator.integers(task.n_outputs, size=ROWS - 2), [0, 1]).astype(np.int64)
    if task.kind is TaskKind.BINARY:
        return np.append(generator.random(ROWS - 2) < generator.random(), [0, 1]).astype(np.float32)
    scale = 10.0 ** generator.uniform(-2, 2, size=task.n_outputs)
    numbers = scale * np.exp(generator.normal(size=(ROWS, task.n_outputs)))
    return np.where(generator.random(numbers.shape) < 0.3, 0.0, numbers).astype(np.float32)


def norm_of(task: Task, seed: int) -> tuple[Normalisation, Tensor, Tensor]:
    """A normalisation, outputs ``[ROWS, n_outputs]``, and the encoded targets that it is from; float64."""
    generator = np.random.default_rng(seed)
    target = targets_of(task, generator)
    norm = Normalisation.from_targets(task, target)
    outputs = torch.from_numpy(generator.normal(size=(ROWS, task.n_outputs)) * generator.uniform(0.1, 3))
    return norm, outputs, precise(norm.encode(target))


def precise(targets: Tensor) -> Tensor:
    return targets.double() if targets.is_floating_point() else targets


def as_heads(tensor: Tensor) -> Tensor:
    """``[rows]`` or ``[rows, k]`` as a stack of one head has it, ``[1, k, rows]``."""
    return tensor.view(len(tensor), -1).T.unsqueeze(0).contiguous()


def stacked(norm: Normalisation, outputs: Tensor, targets: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """What a stack computes of each head; the arguments stay as they are."""
    assert isinstance(norm.function, StackableLoss)
    factors = torch.full((len(outputs), 1, 1), 1.0 / norm.constants.divisor, dtype=outputs.dtype)
    return norm.function.stacked(outputs.clone(), targets.clone(), factors, n_rows)


class LossContract:
    """Inherit it and give a fixture ``task``: one that names the loss."""

    @FEW
    @given(seed=SEEDS)
    def test_rows_are_finite_and_never_negative(self, task: Task, seed: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        rows = norm.function.rows(outputs, targets)
        assert rows.shape == (ROWS,)
        assert rows.isfinite().all()
        assert rows.min() >= -1e-12

    @FEW
    @given(seed=SEEDS)
    def test_the_mean_of_the_rows_is_the_loss_of_the_batch(self, task: Task, seed: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        mean = norm.function.rows(outputs, targets).mean() / norm.constants.divisor
        torch.testing.assert_close(norm.loss(outputs, targets), mean, rtol=1e-12, atol=0)

    @FEW
    @given(seed=SEEDS)
    def test_the_best_constant_scores_one_and_no_other_constant_less(self, task: Task, seed: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        best = torch.from_numpy(norm.best_constant)
        assert float(norm.loss(best.expand(ROWS, -1), targets)) == pytest.approx(1, abs=1e-5)
        for size in (0.01, 0.3, 3.0):
            other = best + size * outputs[:1]
            assert float(norm.loss(other.expand(ROWS, -1), targets)) > 1 - 1e-5

    @FEW
    @given(seed=SEEDS)
    def test_the_loss_before_division_is_that_of_the_targets_in_their_own_units(
        self, task: Task, seed: int
    ) -> None:
        target = targets_of(task, np.random.default_rng(seed))
        first = Normalisation.from_targets(task, target)
        if target.ndim == 1:
            assert first.constant_loss == first.constants.divisor
            return
        larger = Normalisation.from_targets(task, 8 * target.astype(np.float64))
        torch.testing.assert_close(larger.encode(8 * target), first.encode(target), rtol=1e-5, atol=1e-6)
        degree = np.log(larger.constant_loss / first.constant_loss) / np.log(8)
        assert degree == pytest.approx(round(degree), abs=1e-9)
        assert first.constants.divisor * first.constants.scale**degree == pytest.approx(first.constant_loss)

    @FEW
    @given(seed=SEEDS, n_rows=st.integers(1, ROWS))
    def test_the_written_gradient_is_that_of_autograd(self, task: Task, seed: int, n_rows: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        if not isinstance(norm.function, StackableLoss):
            return
        few = outputs[:n_rows].clone().requires_grad_()
        value = norm.loss(few, targets[:n_rows])
        (wanted,) = torch.autograd.grad(value, few)
        losses, gradients = stacked(norm, as_heads(outputs), as_heads(targets), n_rows)
        torch.testing.assert_close(losses[0], value.detach(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(gradients[0].T[:n_rows], wanted, rtol=1e-6, atol=1e-12)
        assert not gradients[0].T[n_rows:].any()

    @FEW
    @given(seed=SEEDS, n_heads=st.integers(2, 9))
    def test_a_head_gets_the_same_bits_in_any_company(self, task: Task, seed: int, n_heads: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        if not isinstance(norm.function, StackableLoss):
            return
        padded = pad(as_heads(outputs.float()), (0, 64 - ROWS))
        wanted = pad(as_heads(targets.float() if targets.is_floating_point() else targets), (0, 64 - ROWS))
        heads = torch.cat([padded * (head + 1) for head in range(n_heads)])
        every = stacked(norm, heads, wanted.expand(n_heads, -1, -1), ROWS)
        for head in range(n_heads):
            alone = stacked(norm, heads[head : head + 1], wanted, ROWS)
            assert torch.equal(alone[0][0], every[0][head])
            assert torch.equal(alone[1][0], every[1][head])

    @FEW
    @given(seed=SEEDS)
    def test_it_can_be_vectorised_over_weights_and_over_rows(self, task: Task, seed: int) -> None:
        norm, outputs, targets = norm_of(task, seed)
        several = torch.stack([outputs, 2 * outputs, -outputs])
        found = vmap(norm.loss, in_dims=(0, None))(several, targets)
        wanted = torch.stack([norm.loss(one, targets) for one in several])
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
        by_row = vmap(norm.loss)(outputs.unsqueeze(1), targets.unsqueeze(1))
        torch.testing.assert_close(by_row.mean(), norm.loss(outputs, targets), rtol=1e-9, atol=1e-12)

    @FEW
    @given(seed=SEEDS)
    def test_going_down_the_gradient_leads_to_targets_that_can_be_reached(
        self, task: Task, seed: int
    ) -> None:
        norm, outputs, targets = norm_of(task, seed)
        moved = outputs.clone().requires_grad_()
        optimiser = torch.optim.Adam([moved], lr=0.1)
        before = float(norm.loss(moved.detach(), targets))
        for _ in range(30):
            optimiser.zero_grad()
            norm.loss(moved, targets).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert float(norm.loss(moved.detach(), targets)) < before

    def test_its_parameters_are_plain_values(self, task: Task) -> None:
        values = dataclasses.asdict(get_loss(task.loss)).values()  # type: ignore[call-overload]
        assert all(isinstance(value, (str, int, float, bool)) for value in values)
