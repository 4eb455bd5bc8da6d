"""Layout of the weights of all members of a stack in one vector, so that an optimiser takes one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

ALIGNMENT = 64
"""The vector is filled up to a multiple of this many numbers: the last few of a vector may be treated by
other instructions than the rest, with another rounding, and must not be weights."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One parameter of several members, stacked.

    Attributes:
        shape: shape of the parameter of one member.
        owners: member and name of the parameter, ``network.stages.0.0.weight`` for one, in order.
    """

    shape: tuple[int, ...]
    owners: Sequence[tuple[int, str]] = field(repr=False)

    @property
    def stacked_shape(self) -> tuple[int, ...]:
        """Shape of the segment, ``[owners, *shape]``."""
        return (len(self.owners), *self.shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """Consecutive segments of one vector.

    Attributes:
        segments: the segments, in order.
    """

    segments: tuple[Segment, ...]

    @property
    def n_numbers(self) -> int:
        """Length of the vector, padding included."""
        used = sum(math.prod(segment.stacked_shape) for segment in self.segments)
        return -(-used // ALIGNMENT) * ALIGNMENT

    def views(self, vector: Tensor) -> list[Tensor]:
        """Return the segments of a vector, ``[owners, *shape]`` each; writing to them writes to it."""
        views, start = [], 0
        for segment in self.segments:
            length = math.prod(segment.stacked_shape)
            views.append(vector[start : start + length].view(segment.stacked_shape))
            start += length
        return views

    def of_member(self, vector: Tensor, member: int) -> dict[str, Tensor]:
        """Return views of one member's parameters by name."""
        return {
            name: view[row]
            for view, segment in zip(self.views(vector), self.segments, strict=True)
            for row, (owner, name) in enumerate(segment.owners)
            if owner == member
        }
