"""Images that are mirrored or moved, with the maps that are predicted from them.

A row holds an image channel by channel, each row of pixels by row of pixels, and so does the target of a
dense map with a whole number of values per pixel. Each pixel of the result is taken from one of the row:
the numbers of the pixels are worked out once, and the same for inputs and maps.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grouping.domain.tasks import TaskKind
from grouping.errors import InvalidInputError
from grouping.training.augmentation.augmentation import Augmentation
from grouping.training.data import TrainingData
from grouping.training.losses import Normalisation


class ImageAugmentation(Augmentation):
    """Base of augmentations that take each pixel from another place; see the module."""

    def __init__(self, data: TrainingData, declaration: Any) -> None:
        super().__init__(data, declaration)
        self.height, self.width = _size(data.n_features, declaration)
        n_pixels = self.height * self.width
        self._centres = {
            task.name: _centre(data.normalisations[task.name])
            for task in data.tasks
            if task.kind is TaskKind.DENSE_MAP and task.n_outputs % n_pixels == 0
        }

    @abstractmethod
    def places(self, n_rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return for each pixel of the results where it is taken from.

        Returns:
            Numbers of the rows of pixels, ``[rows, height, 1]``, and of the columns, ``[rows, 1, width]``,
            or what expands to that.
        """

    def apply(
        self, inputs: Tensor, targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See `Augmentation.apply`."""
        vertical, horizontal = self.places(len(inputs), generator)
        pixels = (vertical * self.width + horizontal).expand(len(inputs), self.height, self.width)
        pixels = pixels.flatten(1).to(inputs.device)
        changed = dict(targets)
        for name in targets.keys() & self._centres.keys():
            # Targets are centred pixel by pixel: it is the map itself that moves.
            centre = self._centres[name].to(targets[name])
            changed[name] = _taken(targets[name] + centre, pixels) - centre
        return _taken(inputs, pixels), changed


class FlipAugmentation(ImageAugmentation):
    """Augmentation that mirrors images left to right."""

    def places(self, n_rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `ImageAugmentation.places`."""
        mirrored = torch.rand((n_rows, 1, 1), generator=generator) < self.declaration.share
        columns = torch.arange(self.width)
        horizontal = torch.where(mirrored, self.width - 1 - columns, columns)
        return torch.arange(self.height).view(1, -1, 1), horizontal


class ShiftAugmentation(ImageAugmentation):
    """Augmentation that moves images by whole pixels."""

    def places(self, n_rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """See `ImageAugmentation.places`."""
        most = self.declaration.pixels
        moved = torch.randint(-most, most + 1, (2, n_rows, 1, 1), generator=generator)
        vertical = (torch.arange(self.height).view(1, -1, 1) + moved[0]).clamp(0, self.height - 1)
        horizontal = (torch.arange(self.width).view(1, 1, -1) + moved[1]).clamp(0, self.width - 1)
        return vertical, horizontal


def _centre(normalisation: Normalisation) -> Tensor:
    """Return what is subtracted from each output of a task, in its scaled units, ``[n_outputs]``."""
    constants = normalisation.constants
    centre = torch.from_numpy(np.asarray(constants.center / constants.scale))
    return centre.expand(normalisation.task.n_outputs)


def _taken(rows: Tensor, pixels: Tensor) -> Tensor:
    """Take pixels, ``[rows, pixels]``, from rows of flat images, ``[rows, channels * pixels]``."""
    images = rows.view(len(rows), -1, pixels.shape[1])
    return images.gather(2, pixels.unsqueeze(1).expand_as(images)).flatten(1)


def _size(n_features: int, declaration: Any) -> tuple[int, int]:
    """Return height and width; missing ones follow from the length of a row, as for encoders of images."""
    height, width, channels = declaration.height, declaration.width, declaration.channels
    n_pixels = n_features // channels
    if not height and not width:
        height = width = math.isqrt(n_pixels)
    height = height or n_pixels // width
    width = width or n_pixels // height
    if height * width * channels != n_features or not n_features:
        raise InvalidInputError(
            f"An image of height {height}, width {width} and channels {channels} has "
            f"{height * width * channels} numbers, but a row of the data has {n_features}: give the "
            "augmentation a height, a width and channels that multiply to that.",
            pointer="/augmentation/parameters",
        )
    return height, width
