from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.tasks import TaskKind
from grouping.domain.trainings.datasets import Dataset
from grouping.problems import digits
from grouping.problems.digits import DIGITS, DIGITS_8


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return DIGITS_8.load()


def test_same_seed_same_data_and_other_seed_other_data() -> None:
    assert DIGITS.load(3).digest() == DIGITS.load(3).digest()
    assert DIGITS.load(3).digest() != DIGITS.load(4).digest()


def test_five_and_eight_tasks_share_their_first_five(dataset: Dataset) -> None:
    assert len(DIGITS.tasks) == 5
    assert len(DIGITS_8.tasks) == 8
    assert DIGITS_8.tasks[:5] == DIGITS.tasks
    assert np.array_equal(DIGITS.load().inputs, dataset.inputs)


def test_no_original_image_lies_in_two_parts_of_the_split(dataset: Dataset) -> None:
    upright = dataset.targets["upright"]
    parts = [{row.tobytes() for row in upright[part]} for part in split(dataset)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_every_original_image_comes_in_several_variants(dataset: Dataset) -> None:
    upright = dataset.targets["upright"]
    _, counts = np.unique(upright, axis=0, return_counts=True)
    assert (counts % digits.VARIANTS == 0).all()
    assert len(np.unique(dataset.inputs, axis=0)) == len(upright)


def test_about_two_thousand_rows_train_and_all_rows_are_used(dataset: Dataset) -> None:
    assert 1_900 <= len(dataset.train) <= 2_300
    assert sum(len(part) for part in split(dataset)) == len(dataset.inputs) == 1_797 * digits.VARIANTS


def test_a_loop_means_nought_six_eight_or_nine_and_parity_means_odd(dataset: Dataset) -> None:
    digit = dataset.targets["digit"]
    assert set(digit[dataset.targets["loop"] == 1]) == {0, 6, 8, 9}
    assert np.array_equal(dataset.targets["parity"] == 1, digit % 2 == 1)


def test_angles_fill_the_range_of_plus_and_minus_sixty_degrees(dataset: Dataset) -> None:
    angles = dataset.targets["rotation"]
    assert -60 <= angles.min() < -55
    assert 55 < angles.max() <= 60


def test_the_occluder_target_points_at_the_covered_square() -> None:
    blank = np.zeros((200, 8, 8))
    scene = digits.make_scene(blank, np.random.default_rng(0))
    half = digits.OCCLUDER_SIDE / 2
    covered, uncovered = [], []
    for seen, (x, y) in zip(scene.seen, scene.occluder, strict=True):
        left, top = round(x + 4 - half), round(y + 4 - half)
        assert 0 <= left <= 8 - digits.OCCLUDER_SIDE
        inside = np.zeros((8, 8), dtype=bool)
        inside[top : top + digits.OCCLUDER_SIDE, left : left + digits.OCCLUDER_SIDE] = True
        covered.append(seen[inside].mean())
        uncovered.append(seen[~inside].mean())
    assert np.mean(covered) > 0.4  # shades from white to black
    assert abs(np.mean(uncovered)) < 0.01


def test_no_turn_changes_nothing_and_a_right_angle_is_an_exact_quarter_turn() -> None:
    images = np.random.default_rng(0).random((3, 8, 8))
    assert np.allclose(digits.rotate(images, np.zeros(3)), images)
    quarter = digits.rotate(images, np.full(3, np.pi / 2))
    assert np.allclose(quarter, np.rot90(images, k=-1, axes=(1, 2)))


def test_edges_are_the_gradient_magnitude_of_sobels_two_kernels() -> None:
    images = np.random.default_rng(0).random((2, 8, 8))
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = np.zeros_like(images)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    for image, row, column in np.ndindex(images.shape):
        window = padded[image, row : row + 3, column : column + 3]
        expected[image, row, column] = np.hypot((window * across).sum(), (window * across.T).sum()) / 4
    assert np.allclose(digits.edge_map(images), expected)


def test_maps_have_a_pixel_per_output_and_numbers_their_columns(dataset: Dataset) -> None:
    for task in DIGITS_8.tasks:
        if task.kind is TaskKind.DENSE_MAP:
            assert dataset.targets[task.name].shape == (len(dataset.inputs), 64)
    assert dataset.targets["occluder"].shape == (len(dataset.inputs), 2)


def split(dataset: Dataset) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], ...]:
    return dataset.train, dataset.validation, dataset.test
