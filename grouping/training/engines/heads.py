"""The heads of all members of a stack: those of one loss and one width are one batch of products.

Members have different tasks, so a stack has a list of heads, each with its member and its task. They are
sorted into kinds by loss and number of outputs. Within a member, the order of its heads is the same in any
stack, and so is the order in which their gradients are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from grouping.domain.tasks import Loss, Task
from grouping.training.data import Rows, TrainingData
from grouping.training.engines.products import products

STACKED_LOSSES = (Loss.SQUARED_ERROR, Loss.CROSS_ENTROPY, Loss.BINARY_CROSS_ENTROPY)
"""The losses whose gradients are written out here."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadKind:
    """Heads of one loss and one number of outputs, ``heads`` of them, with ``tasks`` different tasks.

    Attributes:
        loss: of all of them.
        n_outputs: of all of them.
        owners: member of each head, and which of the member's heads it is; sorted.
        task_names: the different tasks, in the order of the problem.
        members: ``[heads]``, the member of each.
        tasks: ``[heads]``, indices into `task_names`.
        factors: ``[heads, 1, 1]``, one over the loss of the best constant; 1 for squared error.
    """

    loss: Loss
    n_outputs: int
    owners: tuple[tuple[int, int], ...] = field(repr=False)
    task_names: tuple[str, ...]
    members: Tensor = field(repr=False)
    tasks: Tensor = field(repr=False)
    factors: Tensor = field(repr=False)

    def targets(self, rows: Rows, order: Tensor) -> Tensor:
        """Targets of the tasks, rows last and in this order: ``[tasks, n_outputs, rows]``.

        Class numbers for cross entropy, ``[tasks, 1, rows]``.
        """
        return torch.stack([rows.targets[name][order].view(len(order), -1).T for name in self.task_names])

    def losses_and_gradients(self, outputs: Tensor, targets: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
        """The normalised loss of each head on the first rows, and its gradient on the outputs.

        Args:
            outputs: ``[heads, n_outputs, rows]``; may be overwritten.
            targets: ``[tasks, n_outputs, rows]``, or class numbers ``[tasks, 1, rows]``.
            n_rows: how many rows count; the gradient on the others is zero.

        Returns:
            ``[heads]`` and ``[heads, n_outputs, rows]``.
        """
        wanted = targets if len(self.task_names) == 1 else targets.index_select(0, self.tasks)
        wanted = wanted.expand(outputs.shape[0], -1, -1)
        match self.loss:
            case Loss.SQUARED_ERROR:
                return _squared_error(outputs, wanted, n_rows)
            case Loss.CROSS_ENTROPY:
                return _cross_entropy(outputs, wanted, self.factors, n_rows)
            case _:
                return _binary_cross_entropy(outputs, wanted, self.factors, n_rows)


def sort_heads(data: TrainingData, groups: Sequence[Sequence[Task]]) -> tuple[HeadKind, ...]:
    """The kinds of heads of a stack whose members have these tasks."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for member, group in enumerate(groups):
        for place, task in enumerate(group):
            found.setdefault((task.loss.value, task.n_outputs), []).append((member, place))
    kinds = []
    for loss, n_outputs in sorted(found):
        owners = found[loss, n_outputs]
        held = [groups[member][place].name for member, place in owners]
        names = tuple(task.name for task in data.tasks if task.name in set(held))
        constants = [data.normalisations[name].constant_loss for name in held]
        factors = [1.0 if loss == Loss.SQUARED_ERROR else 1.0 / constant for constant in constants]
        kinds.append(
            HeadKind(
                Loss(loss),
                n_outputs,
                tuple(owners),
                names,
                torch.tensor([member for member, _ in owners], device=data.device),
                torch.tensor([names.index(name) for name in held], device=data.device),
                torch.tensor(factors, dtype=data.dtype, device=data.device).view(-1, 1, 1),
            )
        )
    return tuple(kinds)


def _squared_error(outputs: Tensor, targets: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    n = outputs.shape[1] * n_rows
    difference = _only_first(outputs.sub_(targets), n_rows)
    flat = difference.view(len(outputs), 1, -1)
    losses = products(flat, flat.transpose(1, 2), torch.empty_like(flat[:, :, :1]))
    return losses.flatten().mul_(1.0 / n), difference.mul_(2.0 / n)


def _cross_entropy(outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    factors = factors / n_rows
    logarithms = functional.log_softmax(outputs, dim=1)
    losses = logarithms.gather(1, targets)[:, :, :n_rows].sum(dim=2, keepdim=True).mul_(-factors)
    gradients = logarithms.exp_().scatter_(1, targets, -1.0, reduce="add")
    return losses.flatten(), _only_first(gradients, n_rows).mul_(factors)


def _binary_cross_entropy(
    outputs: Tensor, targets: Tensor, factors: Tensor, n_rows: int
) -> tuple[Tensor, Tensor]:
    factors = factors / n_rows
    single = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    losses = single[:, :, :n_rows].sum(dim=2, keepdim=True).mul_(factors)
    gradients = outputs.sigmoid_().sub_(targets)
    return losses.flatten(), _only_first(gradients, n_rows).mul_(factors)


def _only_first(gradients: Tensor, n_rows: int) -> Tensor:
    """Zero in rows that do not count; in place."""
    if n_rows < gradients.shape[2]:
        gradients[:, :, n_rows:] = 0.0
    return gradients
