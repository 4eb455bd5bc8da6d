"""Heads of all members of a stack: those of one loss and one width are one batch of products.

Members have different tasks, so a stack has a list of heads, each with its member and its task. They are
sorted into kinds by loss, number of outputs, whether every training row has a label, and weights of classes.
Within a member, the order of its heads is the same in any stack, and so is the order in which their gradients
are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grouping.domain.tasks import Loss, Task
from grouping.errors import TrainingError
from grouping.training.data import TrainingData
from grouping.training.losses import StackableLoss

_Kind = tuple[Loss, int, bool, tuple[float, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class HeadKind:
    """Heads of one loss and one number of outputs, ``heads`` of them, with ``tasks`` different tasks.

    Attributes:
        loss: loss of all of them, before it is normalised.
        n_outputs: number of outputs of each head.
        owners: member of each head, and its position among the member's heads; sorted.
        task_names: the different tasks, in the order of the problem.
        members: ``[heads]``, the member of each head.
        tasks: ``[heads]``, indices into `task_names`.
        factors: ``[heads, 1, 1]``, factors that normalise the losses.
        is_complete: whether all rows of every step count for these tasks.
    """

    loss: StackableLoss
    n_outputs: int
    owners: tuple[tuple[int, int], ...] = field(repr=False)
    task_names: tuple[str, ...]
    members: Tensor = field(repr=False)
    tasks: Tensor = field(repr=False)
    factors: Tensor = field(repr=False)
    is_complete: bool = True

    def arranged(self, targets: Mapping[str, Tensor]) -> Tensor:
        """Arrange the targets of some rows, by task and rows first, rows last: ``[tasks, n_outputs, rows]``.

        For classes and candidates they are class numbers, ``[tasks, 1, rows]``.
        """
        wanted = [targets[name] for name in self.task_names]
        return torch.stack([target.reshape(len(target), -1).T for target in wanted])

    def losses_and_gradients(self, outputs: Tensor, targets: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
        """Compute the normalised loss of each head on the first rows, and its gradient on the outputs.

        Args:
            outputs: ``[heads, n_outputs, rows]``; may be overwritten.
            targets: ``[tasks, n_outputs, rows]``, or class numbers ``[tasks, 1, rows]``; NaN or -1 in rows
                without a label.
            n_rows: number of rows that count; the gradient on the others is zero.

        Returns:
            Losses ``[heads]`` and gradients ``[heads, n_outputs, rows]``.
        """
        factors = self.factors
        if not self.is_complete:
            known = targets[:, :1] >= 0 if not targets.is_floating_point() else ~targets[:, :1].isnan()
            targets = torch.where(known, targets, 0)
            factors = factors * self._of_heads(known)
        return self.loss.stacked(outputs, self._of_heads(targets), factors, n_rows)

    def _of_heads(self, of_tasks: Tensor) -> Tensor:
        """Give each head what its task has: ``[heads, k, rows]`` from ``[tasks, k, rows]``."""
        chosen = of_tasks if len(self.task_names) == 1 else of_tasks.index_select(0, self.tasks)
        return chosen.expand(len(self.owners), -1, -1)


def sort_heads(
    data: TrainingData, groups: Sequence[Sequence[Task]], labelled_shares: Mapping[str, float]
) -> tuple[HeadKind, ...]:
    """Sort the heads of a stack whose members have these tasks into kinds; see `Sampling` for the shares."""
    found: dict[_Kind, list[tuple[int, int]]] = {}
    for member, group in enumerate(groups):
        for place, task in enumerate(group):
            weights = data.normalisations[task.name].constants.class_weights
            weighted = () if weights is None else tuple(weights.tolist())
            kind = (task.loss, task.n_outputs, labelled_shares[task.name] == 1, weighted)
            found.setdefault(kind, []).append((member, place))
    kinds = []
    for kind in sorted(found, key=lambda kind: (kind[0].name, kind[1], str(kind[0].parameters), *kind[2:])):
        loss, n_outputs, is_complete, _ = kind
        owners = found[kind]
        held = [groups[member][place].name for member, place in owners]
        names = tuple(task.name for task in data.tasks if task.name in set(held))
        norms = [data.normalisations[name] for name in held]
        divisors = [norm.constants.divisor for norm in norms]
        factors = [1.0 / (labelled_shares[n] * d) for n, d in zip(held, divisors, strict=True)]
        function = norms[0].function
        if not isinstance(function, StackableLoss):
            raise TrainingError(f"The loss {loss.name!r} has no gradient that is written out.")
        kinds.append(
            HeadKind(
                function,
                n_outputs,
                tuple(owners),
                names,
                torch.tensor([member for member, _ in owners], device=data.device),
                torch.tensor([names.index(name) for name in held], device=data.device),
                torch.tensor(factors, dtype=data.dtype, device=data.device).view(-1, 1, 1),
                is_complete,
            )
        )
    return tuple(kinds)
