"""Laws of the methods that combine gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import MGDAWeighting

from grouping.training.weighting.gradients import GradientWeighting
from grouping.training.weighting.jacobian_descent import LeastSquaresProjector
from grouping.training.weighting.mgda import least_norm
from tests.contracts.weighting import METHODS as EVERY
from tests.contracts.weighting import Linear, make_weighting, random_gradients

METHODS = [name for name in EVERY if isinstance(make_weighting(name, 2), GradientWeighting)]
DRAWING = ("pcgrad", "gradvac")
"""For more than two tasks these go through them in an order that is drawn."""
SHAPES = list(itertools.product(range(6), (2, 3, 5)))


def combined(method: str, rows: Tensor, losses: list[float] | None = None, **parameters: object) -> Tensor:
    weighting = make_weighting(method, len(rows), **parameters)
    return Linear(rows.tolist(), losses).descend(weighting)


def conflicting(seed: int, n_tasks: int) -> Tensor:
    """Gradients of which at least two point against each other."""
    rows = torch.tensor(random_gradients(seed, n_tasks))
    rows[1] -= 2.0 * (rows[0] @ rows[1]).clamp(min=0.0) / rows[0].square().sum() * rows[0]
    return rows


@pytest.mark.parametrize("method", METHODS)
def test_what_only_one_task_uses_follows_its_own_loss(method: str) -> None:
    step = Linear(random_gradients(0, 3), [1.0, 2.0, 0.5])
    step.descend(make_weighting(method, 3))
    assert step.own.grad is not None
    assert step.own.grad.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("method", [name for name in METHODS if name not in DRAWING])
def test_the_order_of_the_tasks_does_not_matter(method: str) -> None:
    rows, order = conflicting(1, 4), [2, 0, 3, 1]
    found, moved = combined(method, rows), combined(method, rows[order])
    assert moved.tolist() == pytest.approx(found.tolist(), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_two_tasks_does_not_matter(method: str) -> None:
    rows = conflicting(2, 2)
    found, moved = combined(method, rows), combined(method, rows.flip(0))
    assert moved.tolist() == pytest.approx(found.tolist(), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_zero_give_zero_and_no_error(method: str) -> None:
    assert combined(method, torch.zeros(3, 5)).tolist() == [0.0] * 5


@pytest.mark.parametrize("method", METHODS)
def test_gradients_that_depend_on_each_other_are_no_difficulty(method: str) -> None:
    rows = torch.tensor(
        [[1.0, 2.0, 0.0, 1.0], [2.0, 4.0, 0.0, 2.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    )
    assert combined(method, rows).isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_a_parameter_that_no_loss_reaches_stays_without_a_gradient(method: str) -> None:
    linear = Linear(random_gradients(0, 2), [1.0, 1.0])
    unreached = torch.nn.Parameter(torch.zeros(2))
    shared = {"unreached": unreached, **linear.step.shared}
    step = type(linear.step)(linear.step.losses, shared)
    make_weighting(method, 2).backward(step)
    assert unreached.grad is None
    assert linear.lower.grad is not None


@pytest.mark.parametrize(("seed", "n_tasks"), SHAPES)
@pytest.mark.parametrize("normalisation", ["none", "norm", "loss", "loss-norm"])
def test_mgda_goes_down_for_every_task(seed: int, n_tasks: int, normalisation: str) -> None:
    rows = conflicting(seed, n_tasks)
    losses = [0.5 + i for i in range(n_tasks)]
    found = combined("mgda", rows, losses, normalisation=normalisation)
    assert (rows @ found > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_mgda_takes_the_shortest_convex_combination(seed: int) -> None:
    rows = torch.tensor(random_gradients(seed, 3), dtype=torch.float64)
    weights = least_norm(rows @ rows.T / rows.square().sum() * 3)
    assert (weights >= 0).all()
    assert float(weights.sum()) == pytest.approx(1.0)
    shortest = float((weights @ rows).norm())
    parts = [(i / 20, j / 20) for i in range(21) for j in range(21 - i)]
    others = torch.tensor([[a, b, 1.0 - a - b] for a, b in parts], dtype=torch.float64)
    assert shortest <= float((others @ rows).norm(dim=1).min()) + 1e-9
    # The condition of optimality: no gradient reaches less far along the point than the point itself.
    assert float((rows @ (weights @ rows)).min()) >= shortest**2 - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_mgda_of_two_tasks_is_that_of_torchjd(seed: int) -> None:
    rows = torch.tensor(random_gradients(seed, 2), dtype=torch.float64)
    gramian = rows @ rows.T
    assert least_norm(gramian).tolist() == pytest.approx(MGDAWeighting()(gramian).tolist(), abs=1e-9)


def test_mgda_stands_still_where_no_direction_is_down_for_all() -> None:
    rows = torch.tensor([[1.0, 2.0, 0.0, 0.0], [-0.5, -1.0, 0.0, 0.0]])
    assert combined("mgda", rows).tolist() == pytest.approx([0.0] * 4, abs=1e-6)


@pytest.mark.parametrize("normalisation", ["norm", "loss"])
def test_mgda_by_norm_or_loss_does_not_depend_on_the_units_of_the_losses(normalisation: str) -> None:
    rows, units = conflicting(3, 3), torch.tensor([4.0, 0.1, 30.0])
    plain = combined("mgda", rows, [1.0, 1.0, 1.0], normalisation=normalisation)
    scaled = combined("mgda", units[:, None] * rows, units.tolist(), normalisation=normalisation)
    assert (scaled / scaled.norm()).tolist() == pytest.approx((plain / plain.norm()).tolist(), abs=1e-4)


@pytest.mark.parametrize(("seed", "n_tasks"), SHAPES)
@pytest.mark.parametrize("method", ["upgrad", "dualproj"])
def test_projections_onto_the_dual_cone_leave_no_conflict(method: str, seed: int, n_tasks: int) -> None:
    rows = conflicting(seed, n_tasks)
    assert (rows @ combined(method, rows) > -1e-4).all()


@pytest.mark.parametrize(("seed", "n_tasks"), SHAPES)
def test_the_projection_meets_its_conditions_of_optimality(seed: int, n_tasks: int) -> None:
    rows = conflicting(seed, n_tasks).double()
    gramian = rows @ rows.T
    wanted = torch.ones(1, n_tasks, dtype=torch.float64)
    added = LeastSquaresProjector()(wanted, gramian) - wanted
    slope = (wanted + added) @ gramian
    assert (added >= 0).all()
    assert (slope > -1e-9).all()
    assert float((added * slope).abs().max()) < 1e-9


@pytest.mark.parametrize("method", ["upgrad", "dualproj", "pcgrad", "gradvac"])
def test_gradients_without_conflict_are_added(method: str) -> None:
    rows = torch.tensor(random_gradients(5, 3)).abs()
    assert combined(method, rows).tolist() == pytest.approx(rows.sum(dim=0).tolist(), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_pcgrad_of_two_tasks_conflicts_with_neither(seed: int) -> None:
    rows = conflicting(seed, 2)
    found = combined("pcgrad", rows)
    assert (rows @ found > -1e-5).all()
    # Each gradient has lost exactly what pointed against the other.
    lost = [rows[i] - (rows[i] @ rows[j]) / rows[j].square().sum() * rows[j] for i, j in ((0, 1), (1, 0))]
    assert found.tolist() == pytest.approx((lost[0] + lost[1]).tolist(), abs=1e-5)


@pytest.mark.parametrize("method", ["imtl-g", "config"])
def test_impartial_methods_go_equally_far_along_every_gradient(method: str) -> None:
    rows = conflicting(4, 3)
    along = rows / rows.norm(dim=1, keepdim=True) @ combined(method, rows)
    assert along.tolist() == pytest.approx([float(along[0])] * 3, rel=1e-3)


def test_fairgrad_with_alpha_one_is_the_bargain_of_nash() -> None:
    rows = conflicting(3, 3)
    shares = torch.linalg.lstsq(rows.T, combined("fairgrad", rows)[:, None]).solution[:, 0]
    gains = shares * (rows @ rows.T @ shares)
    assert (shares > 0).all()
    assert gains.tolist() == pytest.approx([float(gains[0])] * 3, rel=1e-2)


def test_aligned_gradients_at_right_angles_have_one_length() -> None:
    rows = torch.tensor([[3.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 7.0]])
    assert combined("aligned-mtl", rows).tolist() == pytest.approx([0.5, 0.5, 0.0, 0.5], rel=1e-4)


def test_graddrop_keeps_one_sign_for_each_parameter() -> None:
    rows = torch.tensor(random_gradients(6, 3, 40))
    found = combined("graddrop", rows)
    positive, negative = rows.clamp(min=0).sum(dim=0), rows.clamp(max=0).sum(dim=0)
    is_one = torch.isclose(found, positive) | torch.isclose(found, negative)
    assert is_one.all()
    assert not torch.allclose(found, rows.sum(dim=0))


def test_gradvac_remembers_the_usual_angle() -> None:
    weighting = make_weighting("gradvac", 2)
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]])
    Linear(rows.tolist()).descend(weighting)
    (similarity,) = weighting.buffers()
    assert (similarity.flatten() > 0).tolist() == [False, True, True, False]
    apart = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    turned = Linear(apart.tolist()).descend(weighting)
    assert (turned > apart.sum(dim=0)).tolist() == [True, True, False]
