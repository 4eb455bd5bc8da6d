"""Batches of a stack: rows last, and filled up to a length that vectors divide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from grouping.training.augmentation import Augmentation
from grouping.training.data import TrainingData
from grouping.training.engines.heads import HeadKind
from grouping.training.initialisation import generator_for
from grouping.training.sampling import Sampling

MULTIPLE = 32
"""Functions such as the exponential are computed for this many numbers at once, and for the last few of a
tensor by other instructions, with another rounding. Filled up, no member's numbers are the last few."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one gradient step.

    Attributes:
        inputs: ``[features, rows]``, zero in rows that do not count.
        targets: targets of each kind of heads, see `HeadKind.arranged`; zero in rows that do not count.
        n_rows: number of rows that count, the first ones.
    """

    inputs: Tensor = field(repr=False)
    targets: Sequence[Tensor] = field(repr=False)
    n_rows: int


MOST_NUMBERS = 4_000_000
"""Numbers of inputs that are taken from the data at once: many steps of a small table, for speed, and few
of a large one, so that no epoch is ever copied as a whole."""


@dataclass(frozen=True, slots=True)
class RowsOfStack:
    """The rows that all members of a stack see.

    Attributes:
        data: the data set.
        sampling: which rows a step sees.
        augmentation: how they are changed.
        seed: seed of the members.
    """

    data: TrainingData
    sampling: Sampling
    augmentation: Augmentation
    seed: int

    def n_steps(self, order: Tensor) -> int:
        """Return the gradient steps of an epoch with this order of the rows."""
        return math.ceil(len(order) / self.sampling.rows_per_step)

    def batches(self, epoch: int, order: Tensor, kinds: Sequence[HeadKind]) -> Iterator[Batch]:
        """Yield the training rows of an epoch, step by step; the last batch may have fewer.

        Args:
            epoch: epochs carried out before.
            order: the rows, as the sampling gives them.
            kinds: the heads of the members.
        """
        size = self.sampling.rows_per_step
        n_steps = max(1, MOST_NUMBERS // max(1, size * self.data.n_features))
        names = tuple(dict.fromkeys(name for kind in kinds for name in kind.task_names))
        for first, some in enumerate(torch.split(order, n_steps * size)):
            inputs = self.data.train.inputs[some]
            targets = {name: self.sampling.targets(self.data.train.targets, name, some) for name in names}
            if self.augmentation.changes_rows:
                for number, start in enumerate(range(0, len(some), size), start=first * n_steps):
                    own = {name: target[start : start + size] for name, target in targets.items()}
                    yield self._changed(inputs[start : start + size], own, (epoch, number), kinds)
            else:
                yield from _cut(inputs, [kind.arranged(targets) for kind in kinds], size)

    def _changed(
        self, inputs: Tensor, targets: Mapping[str, Tensor], step: tuple[int, int], kinds: Sequence[HeadKind]
    ) -> Batch:
        draws = generator_for("augmentation", self.seed, *step)
        inputs, targets = self.augmentation.apply(inputs, targets, draws)
        return next(_cut(inputs, [kind.arranged(targets) for kind in kinds], len(inputs)))


def _cut(inputs: Tensor, targets: Sequence[Tensor], size: int) -> Iterator[Batch]:
    """Cut rows into batches, filled up.

    Args:
        inputs: ``[rows, features]``.
        targets: of each kind, rows last.
        size: rows of a batch.
    """
    for start in range(0, len(inputs), size):
        rows = inputs[start : start + size].T
        n_rows = rows.shape[1]
        wanted = [target[:, :, start : start + size] for target in targets]
        if more := -n_rows % MULTIPLE:
            rows, wanted = pad(rows, (0, more)), [pad(target, (0, more)) for target in wanted]
        yield Batch(rows.contiguous(), wanted, n_rows)
