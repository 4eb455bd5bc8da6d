"""Setting a process up for trainings, on a processor or on a GPU.

What has to be asked for before PyTorch computes anything is in `grouping.training.arithmetic`.
"""

from __future__ import annotations

import torch

from grouping.training.data import best_device


def take_device() -> torch.device:
    """The device that this process trains on, set up once for all of its trainings.

    One thread: two under load can be tens of times slower. On a GPU, convolutions of as many digits as the
    recipe says, where cuDNN would take fewer, and operations that give equal results in every run, as far as
    PyTorch has them.
    """
    torch.set_num_threads(1)
    device = best_device()
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def warm_up() -> None:
    """Take a step of what every training takes: the first one in a process loads much of PyTorch."""
    parameter = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.AdamW([parameter])
    (parameter * 2).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
