"""Base classes of losses: the value by row and, for stacks of networks, the gradient written out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class LossFunction(ABC):
    """A loss of encoded targets, before it is divided by that of the best constant prediction.

    A subclass is built from its declaration. Its operations must be differentiable, and work under
    `torch.func.vmap`.

    Targets are encoded by the kind of the task: numbers ``[rows, n_outputs]``, centred and scaled by the
    `grouping.recipes.losses.Constants` of the declaration; class numbers ``[rows]``; 0 and 1 ``[rows, 1]``.

    Attributes:
        declaration: the declaration it was built from.
        class_weights: weights of classes that it is to put on its rows, if any; see `Constants`.
    """

    class_weights: Tensor | None = None

    def __init__(self, declaration: Any) -> None:
        self.declaration = declaration

    @abstractmethod
    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of each row, ``[rows]``: at least 0.

        Args:
            outputs: raw outputs of the head, ``[rows, n_outputs]``.
            targets: encoded.
        """

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean of `rows`, a scalar; to be overridden where PyTorch has it in one operation."""
        return self.rows(outputs, targets).mean()

    def predict(self, outputs: Tensor) -> Tensor:
        """Return predictions in the units of encoded targets, or logits; the raw outputs by default."""
        return outputs


class StackableLoss(LossFunction):
    """A loss whose gradient is written out, so that the stacked engine can train with it.

    Other losses are differentiated by autograd, and their tasks trained one network after another.
    """

    @abstractmethod
    def stacked(
        self, outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
    ) -> tuple[Tensor, Tensor]:
        """Compute each head's mean loss on the first rows times its factor, and its gradient on the outputs.

        The result of a head must not depend on other heads: use elementwise operations, and `averaged` at the
        end.

        Args:
            outputs: ``[heads, n_outputs, rows]``; may be overwritten.
            targets: of each head, ``[heads, n_outputs, rows]``, or class numbers ``[heads, 1, rows]``.
            factors: factor of each head, ``[heads, 1, 1]``, or of each of its rows, ``[heads, 1, rows]``: 0
                in rows without a label.
            n_rows: number of rows that count; the gradient on the others is zero.

        Returns:
            Losses ``[heads]`` and gradients ``[heads, n_outputs, rows]``.
        """


def averaged(values: Tensor, gradients: Tensor, factors: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Average elementwise losses and gradients to the result of `StackableLoss.stacked`.

    Args:
        values: losses, ``[heads, k, rows]``, with a mean over `k` and the rows.
        gradients: gradients of the sum of `values` on the outputs, ``[heads, n_outputs, rows]``; overwritten.
        factors: factor of each head, ``[heads, 1, 1]``, or of each of its rows, ``[heads, 1, rows]``.
        n_rows: number of rows that count.
    """
    factors = factors / (n_rows * values.shape[1])
    by_row = factors.shape[2] > 1
    counted = (values * factors if by_row else values)[:, :, :n_rows]
    losses = counted.sum(dim=2, keepdim=True).sum(dim=1, keepdim=True)
    losses = losses if by_row else losses.mul_(factors)
    return losses.flatten(), only_first(gradients, n_rows).mul_(factors)


def only_first(gradients: Tensor, n_rows: int) -> Tensor:
    """Set gradients to zero in rows that do not count, in place."""
    if n_rows < gradients.shape[2]:
        gradients[:, :, n_rows:] = 0.0
    return gradients
