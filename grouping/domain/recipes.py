"""The recipe: how a network is built and trained. Part of a job, so that results can be made again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grouping.errors import InvalidInputError

EARLY_FIDELITY = 0.2
"""Share of the epochs in a short pass, as in the early stopping approximation of Standley et al. (2020)."""
MAX_EPOCHS = 10_000
MAX_WIDTH = 4_096


@dataclass(frozen=True, slots=True)
class Recipe:
    """Architecture and optimisation of every network of a job.

    Attributes:
        hidden: widths of the full-size shared encoder's layers, in order.
        epochs: passes over the training rows at full fidelity; the number is fixed, nothing stops early.
        batch_size: rows per gradient step.
        learning_rate: of Adam, decayed to zero along a cosine over the epochs of a full training.
        weight_decay: decoupled (AdamW).
    """

    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 0.003
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not self.hidden or any(not 1 <= width <= MAX_WIDTH for width in self.hidden):
            raise InvalidInputError(f"Hidden widths must be 1 to {MAX_WIDTH}.", pointer="/hidden")
        if not 1 <= self.epochs <= MAX_EPOCHS:
            raise InvalidInputError(f"Epochs must be 1 to {MAX_EPOCHS}.", pointer="/epochs")
        if self.batch_size < 1:
            raise InvalidInputError("The batch size must be at least 1.", pointer="/batch_size")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InvalidInputError("The learning rate must be positive.", pointer="/learning_rate")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InvalidInputError("The weight decay must not be negative.", pointer="/weight_decay")

    def epochs_at(self, fidelity: float) -> int:
        """Epochs of a training at that share of the full length; at least one."""
        return max(1, round(self.epochs * fidelity))
