"""Set-up of a process for trainings, on a processor or on a GPU.

Settings that must come before PyTorch computes anything are in `grouping.training.arithmetic`.
"""

from __future__ import annotations

import torch

from grouping.training.data import best_device


def take_device() -> torch.device:
    """Return the device that this process trains on, set up once for all of its trainings.

    It uses one thread: two under load can be tens of times slower. On a GPU, convolutions have the precision
    of the recipe, where cuDNN would take less, and operations give equal results in every run, as far as
    PyTorch has such operations.
    """
    torch.set_num_threads(1)
    device = best_device()
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def warm_up() -> None:
    """Take one step of an optimiser: the first one in a process loads much of PyTorch."""
    parameter = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.AdamW([parameter])
    (parameter * 2).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
