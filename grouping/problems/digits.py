"""Handwritten digits, rotated, partly covered and noisy: classes, numbers and maps from one small image.

Source: the UCI "Optical Recognition of Handwritten Digits" images (Alpaydin and Kaynak, 1998) that come with
scikit-learn, 1,797 grey images of 8 x 8 pixels. Everything else is made here from an explicit generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.problems.problem import Problem

Images = NDArray[np.float64]
"""``[rows, SIDE, SIDE]``, ink from 0 to 1."""

SIDE = 8
LARGEST_ANGLE_DEGREES = 60.0
OCCLUDER_SIDE = 3
NOISE = 0.03
"""Standard deviation of the noise on a pixel of the input, where ink goes from 0 to 1."""
VARIANTS = 3
"""Rows made from each original image, all of them in the same part of the split."""
N_TRAIN_ORIGINALS = 700
N_VALIDATION_ORIGINALS = 500
DIGITS_WITH_A_LOOP = (0, 6, 8, 9)

_TASKS = (
    Task.multiclass("digit", 10),
    Task.binary("loop"),
    Task.regression("rotation"),
    Task.dense_map("edges", SIDE * SIDE),
    Task.regression("occluder", 2),
)
_FURTHER_TASKS = (
    Task.binary("parity"),
    Task.regression("density"),
    Task.dense_map("upright", SIDE * SIDE),
)
_DESCRIPTION = (
    "Handwritten digits of 8 x 8 pixels, rotated by up to 60 degrees, partly covered by a square and noisy. "
    "From the 64 pixels: which digit it is, whether it has a closed loop, the angle, the edges of the clean "
    "rotated image, and where the square lies"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Images before and after they are rotated, covered and disturbed.

    Attributes:
        upright: the clean originals.
        rotated: the clean rotated images.
        seen: the rotated images, covered and noisy: the inputs of a network.
        angle_degrees: ``[rows]``, positive turns from the x axis to the y axis (down).
        occluder: ``[rows, 2]``, x and y of the centre of the square, in pixels from the centre of the image.
    """

    upright: Images
    rotated: Images
    seen: Images
    angle_degrees: NDArray[np.float64]
    occluder: NDArray[np.float64]


def make_scene(upright: Images, generator: np.random.Generator) -> Scene:
    """Rotate, cover and disturb each image, drawing everything from the generator."""
    rows = len(upright)
    angle = generator.uniform(-LARGEST_ANGLE_DEGREES, LARGEST_ANGLE_DEGREES, rows)
    rotated = rotate(upright, np.deg2rad(angle))
    corner = generator.integers(0, SIDE - OCCLUDER_SIDE + 1, (rows, 2))
    shade = generator.uniform(0.0, 1.0, rows)
    inside = (np.arange(SIDE) >= corner[:, :, None]) & (np.arange(SIDE) < corner[:, :, None] + OCCLUDER_SIDE)
    covered = inside[:, 1, :, None] & inside[:, 0, None, :]
    seen = np.where(covered, shade[:, None, None], rotated)
    seen = seen + generator.normal(0.0, NOISE, seen.shape)
    occluder = corner.astype(np.float64) + (OCCLUDER_SIDE - SIDE) / 2
    return Scene(upright, rotated, seen, angle, occluder)


def rotate(images: Images, angle: NDArray[np.float64]) -> Images:
    """Turn each image about its centre by its angle in radians, bilinear; 0 outside the original."""
    center = (SIDE - 1) / 2
    y, x = np.mgrid[0:SIDE, 0:SIDE] - center
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    # Where each pixel of the result lies in the original: the inverse rotation.
    from_x = cos * x + sin * y + center
    from_y = cos * y - sin * x + center
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    from_x, from_y = np.clip(from_x + 1, 0, SIDE + 1), np.clip(from_y + 1, 0, SIDE + 1)
    left = np.minimum(np.floor(from_x).astype(np.int64), SIDE)
    top = np.minimum(np.floor(from_y).astype(np.int64), SIDE)
    dx, dy = from_x - left, from_y - top
    row = np.arange(len(images))[:, None, None]
    upper = padded[row, top, left] * (1 - dx) + padded[row, top, left + 1] * dx
    lower = padded[row, top + 1, left] * (1 - dx) + padded[row, top + 1, left + 1] * dx
    turned: Images = upper * (1 - dy) + lower * dy
    return turned


def edge_map(images: Images) -> Images:
    """Sobel gradient magnitude of each pixel, with blank paper around the image."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    smooth_down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    smooth_across = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across = smooth_down[:, :, 2:] - smooth_down[:, :, :-2]
    down = smooth_across[:, 2:] - smooth_across[:, :-2]
    magnitude: Images = np.hypot(across, down) / 4
    return magnitude


def _load(seed: int) -> Dataset:
    """Load the data with the targets of all eight tasks; both problems share inputs and split."""
    from sklearn.datasets import load_digits  # scikit-learn is slow to import and only needed here

    originals = load_digits()
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(originals.target))
    images = originals.images[order].astype(np.float64) / 16.0
    digit = np.repeat(originals.target[order].astype(np.int64), VARIANTS)
    scene = make_scene(np.repeat(images, VARIANTS, axis=0), generator)
    rows = len(digit)
    targets = {
        "digit": digit,
        "loop": np.isin(digit, DIGITS_WITH_A_LOOP).astype(np.float32),
        "rotation": scene.angle_degrees[:, None].astype(np.float32),
        "edges": edge_map(scene.rotated).reshape(rows, -1).astype(np.float32),
        "occluder": scene.occluder.astype(np.float32),
        "parity": (digit % 2).astype(np.float32),
        "density": scene.upright.mean(axis=(1, 2))[:, None].astype(np.float32),
        "upright": scene.upright.reshape(rows, -1).astype(np.float32),
    }
    first_validation = N_TRAIN_ORIGINALS * VARIANTS
    first_test = first_validation + N_VALIDATION_ORIGINALS * VARIANTS
    row_numbers = np.arange(rows, dtype=np.int64)
    return Dataset(
        scene.seen.reshape(rows, -1).astype(np.float32),
        targets,
        row_numbers[:first_validation],
        row_numbers[first_validation:first_test],
        row_numbers[first_test:],
    )


# The learning rate suits small groups. A wide network of all tasks prefers a lower one: see
# docs/reference/problems.md.
DIGITS = Problem(
    "digits",
    "Turned digits, five tasks",
    _DESCRIPTION + ".",
    _TASKS,
    _load,
    Recipe(hidden=(32, 32), epochs=30, batch_size=64, learning_rate=0.02),
)

CONVOLUTIONAL_RECIPE = Recipe(
    hidden=(12, 24),
    epochs=30,
    batch_size=64,
    learning_rate=0.01,
    encoder=Method("convolutional", {"height": SIDE, "width": SIDE}),
)
"""Another recipe for both problems, with convolutions; to be given with a job."""

DIGITS_8 = Problem(
    "digits-8",
    "Turned digits, eight tasks",
    _DESCRIPTION + "; moreover whether it is odd, how much ink it has, and the clean upright image.",
    _TASKS + _FURTHER_TASKS,
    _load,
    DIGITS.recipe,
)
