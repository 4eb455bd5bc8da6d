from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.trainings.datasets import Dataset
from grouping.problems.cancer import BREAST_CANCER


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return BREAST_CANCER.load()


def test_same_seed_same_data_and_other_seed_other_data(dataset: Dataset) -> None:
    assert BREAST_CANCER.load().digest() == dataset.digest()
    assert BREAST_CANCER.load(1).digest() != dataset.digest()


def test_inputs_are_ten_columns_standardised_by_the_training_rows_alone(dataset: Dataset) -> None:
    train = dataset.inputs[dataset.train]
    assert train.shape[1] == 10
    assert np.allclose(train.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(train.std(axis=0), 1, atol=1e-5)
    assert not np.allclose(dataset.inputs.mean(axis=0), 0, atol=1e-5)


def test_texture_grades_are_terciles_of_the_training_rows(dataset: Dataset) -> None:
    grades = dataset.targets["texture_grade"]
    shares = np.bincount(grades[dataset.train], minlength=3) / len(dataset.train)
    assert np.allclose(shares, 1 / 3, atol=0.01)


def test_the_malignant_samples_are_the_fewer_ones(dataset: Dataset) -> None:
    assert dataset.targets["malignant"].sum() == 212


def test_every_row_is_in_one_part_of_the_split(dataset: Dataset) -> None:
    together = np.concatenate([dataset.train, dataset.validation, dataset.test])
    assert np.array_equal(np.sort(together), np.arange(569))
