"""Every training row once in an epoch, in an order that depends on seed and epoch."""

from __future__ import annotations

from torch import Tensor

from grouping.training.data import TrainingData
from grouping.training.sampling.sampling import Sampling


class AllRowsSampling(Sampling):
    """Sampling that takes every training row once; see the module."""

    def __init__(self, data: TrainingData, batch_size: int, declaration: object) -> None:
        self._data = data
        self.rows_per_step = batch_size
        self.counting = {}
        self.labelled_shares = {name: norm.labelled_share for name, norm in data.normalisations.items()}

    def order(self, seed: int, epoch: int) -> Tensor:
        """See `Sampling.order`."""
        return self._data.order_of_rows(seed, epoch)
