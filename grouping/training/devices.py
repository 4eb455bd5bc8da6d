"""Setting a process up for trainings, on a processor or on a GPU."""

from __future__ import annotations

import os

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
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the GPU is first used
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device
