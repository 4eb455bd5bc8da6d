"""Gradients of several losses on the same parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def gradients_of(losses: Iterable[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """Compute the gradient of each of `T` scalar losses on the parameters, flattened to ``[T, P]``.

    The graph is kept, and the ``grad`` fields stay as they are. A loss that does not reach a parameter has a
    gradient of zero there.
    """
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        filled = [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]
        rows.append(torch.cat([gradient.flatten() for gradient in filled]))
    return torch.stack(rows)
