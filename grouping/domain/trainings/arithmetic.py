"""Arithmetic of a training process: processor, libraries and device, on which last digits depend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum


class Stacking(StrEnum):
    """How far networks may be stacked so that each gets the same bits in any stack.

    A process finds it out for its own machine.
    """

    FULL = "full"
    """Networks are stacked, and all products of a stack are computed at once."""
    SPLIT = "split"
    """Networks are stacked, but some products are computed a network at a time, which takes longer."""
    NONE = "none"
    """Networks are not stacked: each is trained by itself."""

    @property
    def reason(self) -> str:
        """How training differs from the usual way, and why; empty for `FULL`."""
        return _REASONS.get(self, "")


_REASONS = {
    Stacking.SPLIT: "some products are computed a network at a time, since on a worker's machine their bits "
    "would depend on what else is trained with it; it takes longer",
    Stacking.NONE: "every network is trained by itself, since on a worker's machine its bits would depend on "
    "what is trained with it; it takes longer",
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Processor, instructions, libraries and device of a training process; last digits depend on them.

    Attributes:
        processor: model of the processor.
        instructions: the instruction set that PyTorch uses, such as ``AVX2``.
        blas: library that multiplies matrices, and its reproducibility mode.
        device: device that trainings run on.
    """

    processor: str
    instructions: str
    blas: str
    device: str

    def as_versions(self) -> dict[str, str]:
        """Return the entries that are recorded among the versions of a job."""
        return asdict(self)


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Describe how the arithmetic of two processes differs, in what is known of both; empty if it does not.

    Args:
        expected: versions and `Arithmetic.as_versions` of the first process.
        found: versions and `Arithmetic.as_versions` of the second process.

    Returns:
        Such as "torch 2.13.0, here 2.14.1; blas MKL, here OpenBLAS".
    """
    return "; ".join(
        f"{name} {value}, here {found[name]}"
        for name, value in expected.items()
        if name in found and found[name] != value
    )
