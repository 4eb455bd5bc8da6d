"""Samplings: which rows a gradient step sees, and which of them count for which task; one file each."""

from grouping.training.sampling.sampling import Sampling

__all__ = ["Sampling"]
