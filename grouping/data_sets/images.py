"""Columns of images: read from a folder, and scaled to inputs by numbers fitted to the training rows.

An image is an array of whole numbers from 0 to 255, ``[channels, height, width]``; all of a column have one
shape.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.errors import DataSetError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

Image = NDArray[np.uint8]
LARGEST_SIDE = 256
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class FittedImages:
    """How a column of images becomes inputs: each channel less its mean, by its spread, channel by channel.

    Attributes:
        column: name of the column.
        shape: channels, height and width.
        means, spreads: mean and standard deviation of each channel in the training rows; a spread of 0 is 1.
    """

    column: str
    shape: tuple[int, int, int]
    means: tuple[float, ...]
    spreads: tuple[float, ...]

    @property
    def width(self) -> int:
        """Number of inputs."""
        channels, height, width = self.shape
        return channels * height * width

    @property
    def layout(self) -> dict[str, int]:
        """Parameters of an encoder of images that reads such rows."""
        channels, height, width = self.shape
        return {"channels": channels, "height": height, "width": width}

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the inputs of rows, ``[rows, width]``."""
        images = np.stack(list(frame[self.column])).astype(np.float32)
        means, spreads = np.array([self.means, self.spreads], dtype=np.float32)[:, :, None, None]
        scaled: NDArray[np.float32] = ((images - means) / spreads).reshape(len(frame), -1)
        return scaled


def fit_images(frame: pd.DataFrame, column: str) -> FittedImages:
    """Fit the scaling of a column of images to the training rows."""
    images = np.stack(list(frame[column]))
    means = images.mean(axis=(0, 2, 3), dtype=np.float64)
    spreads = images.std(axis=(0, 2, 3), dtype=np.float64)
    channels, height, width = images.shape[1:]
    return FittedImages(
        column,
        (channels, height, width),
        tuple(map(float, means)),
        tuple(float(spread) or 1.0 for spread in spreads),
    )


def is_image(series: pd.Series[Any]) -> bool:
    """Tell whether a column of a table holds images."""
    return series.dtype == object and len(series) > 0 and isinstance(series.iloc[0], np.ndarray)


def shape_text(image: Image) -> str:
    """Write the shape of an image, such as ``3 x 32 x 32``."""
    return " x ".join(map(str, image.shape))


def digests(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return a text for each image that is the same where the image is."""
    return series.map(lambda image: hashlib.blake2b(image.tobytes(), digest_size=12).hexdigest())


def with_images(
    frame: pd.DataFrame, folder: Path, column: str, size: tuple[int, int], *, is_grey: bool = False
) -> pd.DataFrame:
    """Return a table with images in place of the names of their files.

    Args:
        frame: the table.
        folder: folder that the names are relative to; files outside are refused.
        column: column with the names.
        size: height and width to which every image is scaled, whatever its own.
        is_grey: whether images have one channel; else three, red, green and blue.

    Raises:
        InvalidInputError: if there is no such column, or the size cannot be.
        DataSetError: if images are missing or cannot be read, naming the first ones.
    """
    import pandas as pd

    if column not in frame.columns:
        named = ", ".join(map(repr, frame.columns[:10]))
        raise InvalidInputError(f"The table has no column {column!r}. Its columns: {named}.")
    if not all(1 <= side <= LARGEST_SIDE for side in size):
        raise InvalidInputError(f"Height and width of an image are 1 to {LARGEST_SIDE}, not {size}.")
    root, faults, images = folder.resolve(), [], []
    for name in frame[column].astype("object").where(frame[column].notna(), ""):
        try:
            images.append(_read(root, str(name), size, is_grey=is_grey))
        except (OSError, ValueError) as error:
            faults.append(f"{name!r} ({error})")
    if faults:
        raise DataSetError(
            f"{len(faults):,} of {len(frame):,} images cannot be read: {'; '.join(faults[:MOST_NAMED])}."
        )
    return frame.assign(**{column: pd.Series(images, index=frame.index, dtype=object)})


def _read(root: Path, name: str, size: tuple[int, int], *, is_grey: bool) -> Image:
    from PIL import Image as Pictures

    path = (root / name).resolve()
    if not path.is_relative_to(root) or not name:
        raise ValueError("outside the folder" if name else "a row without a name")
    with Pictures.open(path) as picture:
        scaled = picture.convert("L" if is_grey else "RGB").resize(size[::-1], Pictures.Resampling.BILINEAR)
        pixels = np.asarray(scaled, dtype=np.uint8)
    return pixels[None] if is_grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def checked_images(series: pd.Series[Any]) -> pd.Series[Any]:
    """Check a column of images.

    Raises:
        TypeError: if they are no whole numbers of 8 bits, or have different shapes.
    """
    first = series.iloc[0]
    for image in series:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
            raise TypeError("arrays that are no images: uint8, channels by height by width")
        if image.shape != first.shape:
            raise TypeError(f"images of {shape_text(first)} and of {shape_text(image)}")
    return series
