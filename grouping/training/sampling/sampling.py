"""Interface of samplings: the rows of every gradient step, and which of them count for which task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from grouping.training.data import TrainingData
from grouping.training.targets import without_labels


class Sampling(ABC):
    """The rows of a training. They depend on the data, the seed and the epoch, and not on the network.

    So networks of one seed see the same rows in the same order, whatever their groups, and may be stacked.

    Args:
        data: the data set, with the tasks of the job.
        batch_size: that of the recipe.
        declaration: the declaration of the method.

    Attributes:
        rows_per_step: rows of each step; the last step of an epoch may have fewer.
        counting: for each task that does not count every labelled row of a step, which places of a step it
            counts, ``[rows_per_step]``.
        labelled_shares: for each task, which share of the rows of a step it counts, on average.
        gives_labels_of_every_task: whether every step has a row that counts for each task, whatever the data.
    """

    gives_labels_of_every_task: ClassVar[bool] = False
    rows_per_step: int
    counting: Mapping[str, Tensor]
    labelled_shares: Mapping[str, float]

    @abstractmethod
    def __init__(self, data: TrainingData, batch_size: int, declaration: Any) -> None: ...

    @abstractmethod
    def order(self, seed: int, epoch: int) -> Tensor:
        """Return the training rows of an epoch, step after step, ``[rows]``, on the device of the data."""

    def steps(self, seed: int, epoch: int) -> tuple[Tensor, ...]:
        """Return the training rows of each step of an epoch."""
        return torch.split(self.order(seed, epoch), self.rows_per_step)

    def targets(self, targets: Mapping[str, Tensor], task: str, order: Tensor) -> Tensor:
        """Return the targets of a task at rows of an epoch, without labels where they do not count.

        Args:
            targets: encoded targets of all training rows.
            task: name of the task.
            order: rows of whole steps, as `order` or `steps` gave them.
        """
        chosen = targets[task][order]
        counts = self.counting.get(task)
        if counts is None:
            return chosen
        counts = counts.repeat(-(-len(order) // len(counts)))[: len(order)]
        return without_labels(chosen, ~counts)
