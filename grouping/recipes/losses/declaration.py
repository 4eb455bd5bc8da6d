"""Declaration of a loss: the tasks it fits, and the best constant prediction, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tasks import TaskKind
from grouping.recipes.declarations import Declaration

FloatArray = NDArray[np.float64]
NUMBERS = (TaskKind.REGRESSION, TaskKind.DENSE_MAP)
"""Kinds of tasks whose targets are real numbers, ``[rows, n_outputs]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """Constants of a task's loss, computed from the training rows.

    Numbers are encoded for training as ``(target - center) / scale``, which conditions the optimisation.
    Classes and truth values stay as they are: their `center` is 0 and their `scale` 1.

    Attributes:
        best_constant: the best constant prediction, as raw outputs of a head, ``[n_outputs]``.
        divisor: mean loss of that prediction on the encoded targets; every loss is divided by it.
        constant_loss: that loss in the target's own units, or in nats; 0 where nothing can be learned.
        center: offset subtracted from each output, ``[n_outputs]``, or ``[1]`` for all.
        scale: divisor of all outputs, positive.
        class_weights: weight of each class in the loss, ``[classes]``; None where all weigh the same.
        n_elements: pixels or labels of a row that have losses of their own; 1 where a row has one loss.
        has_gaps: whether some of them have no label in rows where others have one.
    """

    best_constant: FloatArray = field(repr=False)
    divisor: float
    constant_loss: float
    center: FloatArray = field(default_factory=lambda: np.zeros(1), repr=False)
    scale: float = 1.0
    class_weights: FloatArray | None = field(default=None, repr=False)
    n_elements: int = 1
    has_gaps: bool = False


class LossDeclaration(Declaration, Protocol):
    """A `Declaration` of a loss that is never negative, and 0 where it cannot be better.

    Its fields are plain values: numbers, texts or truth values. `implementation` names a
    `grouping.training.losses.LossFunction`.

    Attributes:
        kinds: the kinds of tasks that it fits.
    """

    kinds: ClassVar[tuple[TaskKind, ...]]

    def constants(self, targets: FloatArray, n_outputs: int) -> Constants:
        """Compute the constants of a task from its training rows.

        Args:
            targets: targets of the training rows, not all alike, in the shape that
                `grouping.domain.trainings.datasets.Dataset` documents for the kind of the task.
            n_outputs: number of outputs of the task.

        Raises:
            InvalidInputError: if it cannot be computed for such targets.
        """
