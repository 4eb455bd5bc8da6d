"""Augmentations: declarations of how the rows of a gradient step are changed before they are seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

_PACKAGE = "grouping.training.augmentation"
_Side = Annotated[int, Field(ge=0, le=65_536, description="0 follows from the length of a row.")]
_Channels = Annotated[int, Field(ge=1, le=4_096, description="Numbers per pixel.")]


@dataclass(frozen=True, slots=True)
class NoAugmentation:
    """Rows as they are."""

    name: ClassVar[str] = "none"
    title: ClassVar[str] = "None"
    description: ClassVar[str] = "Rows are seen as they are."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = f"{_PACKAGE}.augmentation:NoAugmentation"


@dataclass(frozen=True, slots=True)
class Noise:
    """Rows with noise on their inputs."""

    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "Noise on inputs"
    description: ClassVar[str] = "Gaussian noise is added to every input; targets stay."
    source: ClassVar[str] = (
        "Bishop, Training with noise is equivalent to Tikhonov regularization, Neural Computation 7, 1995"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.noise:NoiseAugmentation"

    deviation: Annotated[
        float, Field(gt=0, le=1e6, description="Standard deviation, in the units of the inputs.")
    ] = 0.1


@dataclass(frozen=True, slots=True)
class Flip:
    """Images mirrored left to right, maps with them."""

    name: ClassVar[str] = "flip"
    title: ClassVar[str] = "Images mirrored"
    description: ClassVar[str] = (
        "Images are mirrored left to right at random, together with the maps that are predicted from them; "
        "values of a map are moved, not changed. Other targets stay, so they must not depend on left and "
        "right."
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, "
        "NeurIPS 2012"
    )
    implementation: ClassVar[str] = f"{_PACKAGE}.images:FlipAugmentation"

    share: Annotated[float, Field(gt=0, le=1, description="Share of the rows that are mirrored.")] = 0.5
    height: _Side = 0
    width: _Side = 0
    channels: _Channels = 1


@dataclass(frozen=True, slots=True)
class Shift:
    """Images moved by some pixels, maps with them."""

    name: ClassVar[str] = "shift"
    title: ClassVar[str] = "Images moved"
    description: ClassVar[str] = (
        "Images are moved by a random number of pixels up or down and left or right, together with the maps "
        "that are predicted from them; the pixels of the edge are repeated. Other targets stay, so they must "
        "not depend on where in the image something is."
    )
    source: ClassVar[str] = "LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86, 1998"
    implementation: ClassVar[str] = f"{_PACKAGE}.images:ShiftAugmentation"

    pixels: Annotated[int, Field(ge=1, le=1_000, description="Most pixels in either direction.")] = 1
    height: _Side = 0
    width: _Side = 0
    channels: _Channels = 1


AUGMENTATIONS: tuple[type[Declaration], ...] = (NoAugmentation, Noise, Flip, Shift)
