"""Rows of each task in every step: a step is the draws of all tasks of the job, one after another.

A task goes through its labelled rows again and again, in another order each time. A row counts for the task
that drew it, and for no other.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from grouping.errors import TrainingError
from grouping.training.data import TrainingData
from grouping.training.initialisation import generator_for
from grouping.training.sampling.sampling import Sampling
from grouping.training.targets import labelled


class ByTaskSampling(Sampling):
    """Sampling that draws rows for each task; see the module."""

    gives_labels_of_every_task = True

    def __init__(self, data: TrainingData, batch_size: int, declaration: Any) -> None:
        self._rows = {
            task.name: labelled(data.train.targets[task.name]).nonzero().flatten().cpu()
            for task in data.tasks
        }
        if lacking := [name for name, rows in self._rows.items() if not len(rows)]:
            raise TrainingError(f"No training row has a label of {', '.join(lacking)}.")
        self._device = data.device
        n_labels = sum(len(rows) for rows in self._rows.values())
        parts = {name: len(rows) ** (1.0 / declaration.temperature) for name, rows in self._rows.items()}
        mean = sum(parts.values()) / len(parts)
        self._drawn = {name: max(1, round(batch_size * part / mean)) for name, part in parts.items()}
        self.rows_per_step = sum(self._drawn.values())
        self._n_steps = max(1, math.ceil(n_labels / self.rows_per_step))
        owner = torch.arange(len(parts)).repeat_interleave(torch.tensor(list(self._drawn.values())))
        self.counting = {name: (owner == number).to(data.device) for number, name in enumerate(parts)}
        self.labelled_shares = {name: drawn / self.rows_per_step for name, drawn in self._drawn.items()}

    def order(self, seed: int, epoch: int) -> Tensor:
        """See `Sampling.order`."""
        drawn = [self._draw(name, seed, epoch).view(self._n_steps, -1) for name in self._rows]
        return torch.cat(drawn, dim=1).flatten().to(self._device)

    def _draw(self, task: str, seed: int, epoch: int) -> Tensor:
        rows, n = self._rows[task], self._n_steps * self._drawn[task]
        first_cycle, offset = divmod(epoch * n, len(rows))
        cycles = range(first_cycle, first_cycle + -(-(offset + n) // len(rows)))
        orders = [torch.randperm(len(rows), generator=generator_for("rows", task, seed, c)) for c in cycles]
        return rows[torch.cat(orders)[offset : offset + n]]
