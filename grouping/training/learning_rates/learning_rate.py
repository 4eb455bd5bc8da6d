"""Interface of learning-rate schedules: a factor on the recipe's learning rate for every gradient step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor


class LearningRateSchedule(ABC):
    """The learning rate of one training, or of one phase of it.

    Args:
        declaration: the declaration of the method.

    Attributes:
        follows_validation: whether it looks at validation losses, as `end_epoch` tells them. Such a schedule
            gives every network a rate of its own, and networks are trained one by one.
    """

    follows_validation: ClassVar[bool] = False

    def __init__(self, declaration: Any) -> None:
        self.declaration = declaration

    @abstractmethod
    def factor(self, epoch: float, n_epochs: int) -> float:
        """Return the factor on the learning rate.

        Args:
            epoch: epochs of the phase carried out, with the share of the present one.
            n_epochs: epochs of the phase in a full training: a short pass follows the start of it.
        """

    def end_epoch(self, validation_loss: float) -> None:  # noqa: B027 - most look at nothing
        """Take notice of an epoch; called only where `follows_validation`. Lower losses are better."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what it remembers, for checkpoints."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027 - most remember nothing
        """Take up what `state_dict` returned."""
