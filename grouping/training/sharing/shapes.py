"""Shapes of features: where the channels are, and how to combine features of other shapes.

Features are ``[rows, channels]``, ``[rows, positions, channels]`` or ``[rows, channels, height, width]``:
see `grouping.training.blueprint.Encoder`.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def channel_dim(features: Tensor) -> int:
    """Return the dimension of the channels."""
    return 1 if features.ndim == 4 else features.ndim - 1


def per_channel(vector: Tensor, features: Tensor) -> Tensor:
    """Reshape a vector ``[channels]`` to be added to the features or multiplied with them."""
    return vector.reshape(-1, 1, 1) if features.ndim == 4 else vector


def is_present(features: Tensor) -> Tensor | None:
    """Return whether positions of sequences hold something, ``[rows, positions, 1]``; None if no sequence.

    A position of zeros is padding, and whatever is added to features must leave it so.
    """
    return (features != 0).any(dim=-1, keepdim=True) if features.ndim == 3 else None


def at_positions_of(features: Tensor, wanted: Tensor) -> Tensor:
    """Resample features of another stage to the positions of `wanted`; channels stay as they are.

    Maps are averaged over the cells of the coarser map (or repeated over those of the finer one). In a
    sequence of another length each position gets the mean over the sequence.
    """
    if features.ndim == 4:
        if features.shape[2:] == wanted.shape[2:]:
            return features
        return functional.adaptive_avg_pool2d(features, (wanted.shape[2], wanted.shape[3]))
    if features.shape[1:-1] == wanted.shape[1:-1]:
        return features
    return features.mean(dim=1, keepdim=True).expand(-1, wanted.shape[1], -1)
