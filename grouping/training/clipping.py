"""Clipping of gradients by their norm, for one network and for many whose gradients lie together.

Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013. A
single network is clipped by PyTorch's own function; this is the same for each member of a stack.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SMALL = 1e-6
"""Added to norms by PyTorch's `clip_grad_norm_`."""


@torch.no_grad()
def clip_members(gradients: Sequence[Tensor], members: Sequence[Tensor], n_members: int, most: float) -> None:
    """Shorten the gradient of each member to a norm, in place.

    A member's result does not depend on the others: it is summed up by itself, segment by segment.

    Args:
        gradients: segments of the gradients, ``[owners, ...]`` each.
        members: for each segment, the member that each owner is or belongs to, ``[owners]``.
        n_members: number of members.
        most: largest norm.
    """
    squares = torch.zeros(n_members, dtype=gradients[0].dtype, device=gradients[0].device)
    for gradient, owners in zip(gradients, members, strict=True):
        squares.index_add_(0, owners, gradient.flatten(1).square().sum(dim=1))
    factors = (most / (squares.sqrt() + _SMALL)).clamp(max=1.0)
    for gradient, owners in zip(gradients, members, strict=True):
        gradient.mul_(factors[owners].view(-1, *[1] * (gradient.ndim - 1)))
