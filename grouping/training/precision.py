"""Reduced precision: layers that compute in bfloat16 while they are trained.

By automatic mixed precision: products and convolutions take bfloat16, what PyTorch knows to lose too much by
that (softmax, norms, sums) takes float32. It covers what lies below the heads. Weights, and so what the
optimiser remembers and the gradients that it gets, are float32; so are heads, losses, penalties, and every
evaluation. bfloat16 has the exponents of float32, so losses need no scaling.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from grouping.domain.recipes import Precision
from grouping.errors import TrainingError


def check_precision(precision: Precision, device: torch.device) -> Precision:
    """Return the precision, if networks can be trained in it on the device.

    Raises:
        TrainingError: if the device does not support it.
    """
    if precision is Precision.BFLOAT16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        raise TrainingError(f"{name} does not compute in bfloat16: choose the precision float32.")
    return precision


def reduced(device: torch.device) -> AbstractContextManager[object]:
    """Compute products and convolutions in bfloat16 within the context."""
    # Cast anew in every use: what is kept from one to the next would outlive a transform of `torch.func`.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
