"""Elements of a row: pixels of a map or labels of several, each with a loss of its own, some without a label.

Outputs and targets hold all elements of the first channel, then those of the next. The loss of a row is the
mean over its labelled elements, so that a row weighs as much as another however many of them have a label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.domain.tasks import Task, TaskKind
from grouping.recipes.losses import Constants, LossDeclaration
from grouping.training.losses.loss import LossFunction

OF_ELEMENTS = (TaskKind.CLASS_MAP, TaskKind.NORMALS, TaskKind.MULTILABEL)
"""Kinds whose elements have each a best constant of their own, and count one by one in metrics."""
WRAPPED = (TaskKind.CLASS_MAP, TaskKind.NORMALS)
"""Kinds whose elements have several outputs."""


@dataclass(frozen=True, slots=True)
class Elements:
    """How the rows of a task are taken apart.

    Attributes:
        width: outputs of each element.
        is_numbered: whether the target of an element is a class number; else as many numbers as outputs.
    """

    width: int
    is_numbered: bool

    @classmethod
    def of(cls, task: Task, constants: Constants) -> Elements | None:
        """Return how a task is taken apart; None where its rows are taken whole."""
        if task.kind not in OF_ELEMENTS and not constants.has_gaps:
            return None
        return cls(task.n_outputs // constants.n_elements, task.kind is TaskKind.CLASS_MAP)

    def outputs(self, outputs: Tensor) -> Tensor:
        """Reshape ``[rows, width * elements]`` to ``[rows * elements, width]``."""
        return outputs.reshape(len(outputs), self.width, -1).transpose(1, 2).reshape(-1, self.width)

    def targets(self, targets: Tensor) -> Tensor:
        """Reshape targets likewise; class numbers to ``[rows * elements]``."""
        return targets.reshape(-1) if self.is_numbered else self.outputs(targets)

    def known(self, targets: Tensor) -> Tensor:
        """Return which elements have a label, ``[rows * elements]``, of targets that were reshaped."""
        return targets >= 0 if self.is_numbered else ~targets.isnan().any(dim=1)


class ElementLoss(LossFunction):
    """A loss of elements, as the mean over the labelled ones of each row.

    Args:
        inner: the loss of one element, as if it were a row.
        elements: how rows are taken apart.
    """

    def __init__(self, inner: LossFunction, elements: Elements) -> None:
        super().__init__(inner.declaration)
        self._inner, self._elements = inner, elements

    def rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossFunction.rows`."""
        wanted = self._elements.targets(targets)
        known = self._elements.known(wanted)
        wanted = torch.where(
            known if wanted.ndim == 1 else known.unsqueeze(1), wanted, torch.zeros_like(wanted)
        )
        losses = self._inner.rows(self._elements.outputs(outputs), wanted)
        known, losses = known.reshape(len(outputs), -1), losses.reshape(len(outputs), -1)
        counted = torch.where(known, losses, torch.zeros_like(losses))
        return counted.sum(dim=1) / known.sum(dim=1).clamp(min=1)

    def predict(self, outputs: Tensor) -> Tensor:
        """See `LossFunction.predict`."""
        return self._inner.predict(outputs)


def constants_of_elements(
    declaration: LossDeclaration, task: Task, values: NDArray[np.float64], *, has_gaps: bool
) -> Constants:
    """Compute the constants of a task whose rows have elements; the divisor is exact only without gaps.

    Args:
        declaration: the loss.
        task: the task.
        values: targets of the labelled training rows, ``[rows, ...]``; NaN in elements without a label.
        has_gaps: whether there are such elements, here or in other rows.
    """
    if task.kind not in OF_ELEMENTS:  # numbers, which have one scale
        constants = declaration.constants(_filled(values), task.n_outputs)
        best = np.broadcast_to(constants.best_constant, task.n_outputs)
        return replace(constants, best_constant=best, n_elements=task.n_outputs, has_gaps=has_gaps)
    n_elements = values.shape[1] // (3 if task.kind is TaskKind.NORMALS else 1)
    width = task.n_outputs // n_elements
    channels = values.reshape(len(values), -1, n_elements)
    known = np.asarray(~np.isnan(channels).any(axis=1))
    found = []
    for n in range(n_elements):
        # An element that no training row labels has the constants of all.
        own = channels[known[:, n], :, n] if known[:, n].any() else channels.transpose(0, 2, 1)[known]
        found.append(declaration.constants(own if width == channels.shape[1] > 1 else own[:, 0], width))
    return Constants(
        np.stack([one.best_constant for one in found], axis=1).flatten(),
        float(np.mean([one.divisor for one in found])),
        float(np.mean([one.constant_loss for one in found])),
        n_elements=n_elements,
        has_gaps=has_gaps,
    )


def with_exact_divisor(constants: Constants, loss_of_constant: Callable[[Tensor], float]) -> Constants:
    """Divide by what the best constant scores on the elements that are labelled.

    Args:
        constants: constants with about that divisor.
        loss_of_constant: mean loss of raw outputs ``[1, n_outputs]`` for every training row, not divided.
    """
    exact = loss_of_constant(torch.from_numpy(np.array(constants.best_constant))[None])
    share = exact / constants.divisor if constants.divisor else 0.0
    return replace(constants, divisor=exact, constant_loss=constants.constant_loss * share)


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill elements without a label by the mean of the element, or of all where none is labelled."""
    held = np.ma.masked_invalid(values)
    means = held.mean(axis=0).filled(float(held.mean()))
    return np.where(np.isnan(values), means, values)
