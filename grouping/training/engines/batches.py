"""Batches of a stack: rows last, and filled up to a length that vectors divide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import pad

from grouping.training.data import TrainingData
from grouping.training.engines.heads import HeadKind
from grouping.training.sampling import Sampling

MULTIPLE = 32
"""Functions such as the exponential are computed for this many numbers at once, and for the last few of a
tensor by other instructions, with another rounding. Filled up, no member's numbers are the last few."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one gradient step.

    Attributes:
        inputs: ``[features, rows]``, zero in rows that do not count.
        targets: targets of each kind of heads, see `HeadKind.targets`; zero in rows that do not count.
        n_rows: number of rows that count, the first ones.
    """

    inputs: Tensor = field(repr=False)
    targets: Sequence[Tensor] = field(repr=False)
    n_rows: int


def batches(
    data: TrainingData, sampling: Sampling, order: Tensor, kinds: Sequence[HeadKind]
) -> Iterator[Batch]:
    """Yield the training rows of an epoch, step by step; the last batch may have fewer."""
    inputs, size = data.train.inputs[order], sampling.rows_per_step
    targets = [kind.targets(data.train, sampling, order) for kind in kinds]
    for start in range(0, len(order), size):
        rows = inputs[start : start + size].T
        n_rows = rows.shape[1]
        wanted = [target[:, :, start : start + size] for target in targets]
        if more := -n_rows % MULTIPLE:
            rows, wanted = pad(rows, (0, more)), [pad(target, (0, more)) for target in wanted]
        yield Batch(rows.contiguous(), wanted, n_rows)
