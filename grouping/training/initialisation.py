"""Common random numbers: the initial weights of a layer depend on what it is and on the seed only.

Networks of one seed therefore start from the same weights wherever they have the same layers, whatever
their group, and the difference of their scores is less noisy than either score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(*parts: str | int) -> int:
    """Return a seed that depends on these parts only, the same on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "backslashreplace"))
    return int.from_bytes(digest.digest()[:8], "little") >> 1


def generator_for(*parts: str | int) -> torch.Generator:
    """Return a CPU generator that depends on these parts only."""
    generator = torch.Generator()
    generator.manual_seed(seed_of(*parts))
    return generator


@contextmanager
def seeded(*parts: str | int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global CPU generator from these parts only, within the context.

    The generator of the device is seeded too, if it is a GPU. The states are restored at the end.
    """
    is_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if is_gpu else []):
        torch.default_generator.manual_seed(seed_of(*parts))
        if is_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed_of(*parts))
        yield
