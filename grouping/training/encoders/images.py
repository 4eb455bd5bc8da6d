"""Base of the encoders of images: flat rows become maps, and maps become the outputs of a task.

Features are maps, ``[rows, channels, height, width]``. A head that predicts numbers or classes averages them
over the cells of a coarse grid, so that it can still tell where in the image something is. A head that
predicts a map returns to the resolution of the image in steps: enlarge, then convolve.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from grouping.domain.tasks import Task, TaskKind
from grouping.errors import InvalidInputError
from grouping.training.blueprint import Encoder

MAPS = (TaskKind.DENSE_MAP, TaskKind.CLASS_MAP, TaskKind.NORMALS)
"""Kinds of tasks with outputs at each pixel."""


class ImageParameters(Protocol):
    """Parameters that every encoder of images has."""

    @property
    def height(self) -> int:
        """Rows of pixels; 0 to derive it from the data."""

    @property
    def width(self) -> int:
        """Pixels per row; 0 to derive it from the data."""

    @property
    def channels(self) -> int:
        """Numbers per pixel."""

    @property
    def stride(self) -> int:
        """Factor between the resolutions of a stage and the next."""

    @property
    def grid(self) -> int:
        """Cells along a side over which features are averaged before a linear head."""

    @property
    def decoder_steps(self) -> int:
        """Enlargements in the decoder of a map."""


@dataclass(frozen=True)
class ImageEncoder(Encoder):
    """Base of encoders of images. A row holds channel by channel, each row of pixels by row of pixels."""

    def __post_init__(self) -> None:
        (height, width), channels = self.size, self.image.channels
        if height * width * channels != self.n_features:
            raise InvalidInputError(
                f"An image of height {height}, width {width} and channels {channels} has "
                f"{height * width * channels} numbers, but a row of the data has {self.n_features}: give the "
                "encoder a height, a width and channels that multiply to that.",
                pointer="/encoder/parameters",
            )

    @property
    @abstractmethod
    def image(self) -> ImageParameters:
        """Shape of the images, and what the heads need."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; missing ones follow from the length of a row, as a square if both are missing."""
        height, width, channels = self.image.height, self.image.width, self.image.channels
        n_pixels = self.n_features // channels
        if not height and not width:
            return math.isqrt(n_pixels), math.isqrt(n_pixels)
        return height or n_pixels // width, width or n_pixels // height

    @abstractmethod
    def decoder_layer(self, n_in: int, n_out: int) -> nn.Module:
        """Build a layer of the decoder of a map, with its non-linearity."""

    def unflatten(self) -> nn.Unflatten:
        """Build the layer from ``[rows, n_features]`` to ``[rows, channels, height, width]``."""
        return nn.Unflatten(1, (self.image.channels, *self.size))

    def pointwise(self, n_in: int, n_out: int) -> nn.Module:
        """Build a convolution of one pixel."""
        return convolution(n_in, n_out, 1)

    def head(self, task: Task, width: int) -> nn.Module:
        """Build a decoder for a map with a whole number of values per pixel, else a linear layer."""
        n_pixels = math.prod(self.size)
        if task.kind in MAPS and task.n_outputs % n_pixels == 0:
            return MapDecoder(self, width, task.n_outputs // n_pixels)
        grid = self.image.grid
        linear = nn.Linear(width * grid * grid, task.n_outputs)
        nn.init.zeros_(linear.bias)
        return nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten(), linear)


class MapDecoder(nn.Module):
    """Decoder to the resolution of the image in equal ratios; each step: nearest neighbour, then a layer.

    Nearest neighbour, since its gradient is the same in every run on every device. Half as many channels are
    kept after each step, and never fewer than the map has.
    """

    def __init__(self, encoder: ImageEncoder, n_in: int, n_channels: int) -> None:
        super().__init__()
        self._size = encoder.size
        widths = [max(n_in // 2**step, n_channels) for step in range(encoder.image.decoder_steps + 1)]
        self.layers = nn.ModuleList(
            encoder.decoder_layer(before, after) for before, after in pairwise(widths)
        )
        self.last = convolution(widths[-1], n_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Decode ``[rows, width, height', width']`` to ``[rows, channels * height * width]``."""
        start = features.shape[2:]
        for step, layer in enumerate(self.layers, start=1):
            share = step / len(self.layers)
            size = [round(a * (b / a) ** share) for a, b in zip(start, self._size, strict=True)]
            features = layer(functional.interpolate(features, size=size, mode="nearest"))
        maps: Tensor = self.last(features)
        return maps.flatten(1)


def convolution(n_in: int, n_out: int, side: int, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Build a convolution that keeps the resolution, but for its stride; weights after He et al. (2015)."""
    layer = nn.Conv2d(n_in, n_out, side, stride=stride, padding=side // 2, groups=groups)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu" if side > 1 else "linear")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
