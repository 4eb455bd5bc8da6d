"""The contract of losses, for every built-in one, at its default and at other parameters."""

from __future__ import annotations

import pytest

from grouping.domain.tasks import Loss
from grouping.recipes import list_losses
from tests.contracts.losses import LossContract, tasks_of

pytestmark = pytest.mark.usefixtures("one_thread")

OTHERS = [
    Loss("huber", (("delta", 0.2),)),
    Loss("huber", (("delta", 50.0),)),
    Loss("quantile", (("quantile", 0.05),)),
    Loss("quantile", (("quantile", 0.9),)),
]
CASES = [
    pytest.param(task, id=f"{task.loss.name}-{dict(task.loss.parameters)}-{task.kind}")
    for loss in [*(Loss(info.name) for info in list_losses()), *OTHERS]
    for task in tasks_of(loss)
]


@pytest.mark.parametrize("task", CASES)
class TestEveryLoss(LossContract):
    pass
