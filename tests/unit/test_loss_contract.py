"""The contract of losses, for every built-in one, and what the best constant of each is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grouping.domain.tasks import Loss, Task
from grouping.errors import InvalidInputError
from grouping.recipes import list_losses, named_loss
from grouping.testing.losses import LossContract, targets_of, tasks_of
from grouping.training.losses import Normalisation
from tests.effort import examples

pytestmark = pytest.mark.usefixtures("one_thread")

OTHERS = [
    Loss("huber", (("delta", 0.2),)),
    Loss("huber", (("delta", 50.0),)),
    Loss("quantile", (("quantile", 0.05),)),
    Loss("quantile", (("quantile", 0.9),)),
    Loss("balanced_cross_entropy", (("balance", 0.5),)),
    Loss("focal", (("gamma", 1.0),)),
    Loss("focal", (("gamma", 5.0),)),
]
CASES = [
    pytest.param(task, id=f"{task.loss.name}-{dict(task.loss.parameters)}-{task.kind}")
    for loss in [*(Loss(info.name) for info in list_losses()), *OTHERS]
    for task in tasks_of(loss)
]


@pytest.mark.parametrize("task", CASES)
class TestEveryLoss(LossContract):
    pass


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.mean(axis=0)
    return found


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.median(values, axis=0)


def highest_decile(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.quantile(values, 0.9, axis=0, method="inverted_cdf")


@pytest.mark.parametrize(
    ("loss", "expected", "degree"),
    [
        (named_loss("squared_error"), mean, 2),
        (named_loss("absolute_error"), median, 1),
        (named_loss("huber", delta=1e5), mean, 2),
        (named_loss("quantile", quantile=0.9), highest_decile, 1),
        (named_loss("poisson"), mean, 1),
    ],
    ids=lambda value: value.name if isinstance(value, Loss) else "",
)
@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_best_constant_in_the_targets_own_units_is_the_statistic_of_the_loss(
    loss: Loss, expected: Callable[[NDArray[np.float64]], NDArray[np.float64]], degree: int, seed: int
) -> None:
    task = Task.regression("t", 2, loss=loss)
    target = targets_of(task, np.random.default_rng(seed)).astype(np.float64)
    norm = Normalisation.from_targets(task, target)
    best = norm.decode(torch.from_numpy(norm.best_constant)[None])[0].numpy()
    assert best == pytest.approx(expected(target), rel=1e-6, abs=1e-6 * target.std())
    larger = Normalisation.from_targets(task, 2 * target)
    assert larger.constant_loss == pytest.approx(2**degree * norm.constant_loss)


def test_half_the_targets_are_predicted_too_low_by_absolute_error_and_a_tenth_by_the_highest_decile() -> None:
    target = np.random.default_rng(0).gamma(2.0, size=(2000, 1))
    for loss, share in ((named_loss("absolute_error"), 0.5), (named_loss("quantile", quantile=0.9), 0.1)):
        norm = Normalisation.from_targets(Task.regression("t", loss=loss), target)
        wanted = norm.encode(target)
        output = torch.zeros(1, requires_grad=True)
        optimiser = torch.optim.SGD([output], lr=0.1)
        for _ in range(300):
            optimiser.zero_grad()
            norm.loss(output.expand(2000, 1), wanted).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert float((wanted > output).double().mean()) == pytest.approx(share, abs=0.03)


def test_counts_below_nought_are_refused_by_the_poisson_loss_with_the_task() -> None:
    task = Task.regression("visits", loss=named_loss("poisson"))
    with pytest.raises(InvalidInputError, match="'visits': The poisson loss takes targets of at least 0"):
        Normalisation.from_targets(task, np.array([[1.0], [-1.0], [3.0]]))
