"""Losses of tasks: one file each, and `Normalisation`, which divides a loss by that of the best constant."""

from grouping.training.losses.loss import LossFunction, StackableLoss, averaged
from grouping.training.losses.normalisation import Normalisation

__all__ = ["LossFunction", "Normalisation", "StackableLoss", "averaged"]
