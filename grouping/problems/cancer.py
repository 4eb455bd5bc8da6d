"""Breast cancer: five tasks from ten averages over the cell nuclei of a sample.

Source: UCI "Breast Cancer Wisconsin (Diagnostic)" (Street, Wolberg and Mangasarian, 1993), as it comes with
scikit-learn: 569 samples, thirty numbers each (mean, standard error and worst value of ten features).
"""

from __future__ import annotations

import numpy as np

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Recipe
from grouping.problems.problem import Problem

N_TRAIN = 285
N_VALIDATION = 142

_TASKS = (
    Task.binary("malignant"),
    Task.regression("worst_area"),
    Task.regression("worst_concavity"),
    Task.multiclass("texture_grade", 3),
    Task.regression("radius_error"),
)


def _load(seed: int) -> Dataset:
    from sklearn.datasets import load_breast_cancer  # scikit-learn is slow to import and only needed here

    source = load_breast_cancer()
    columns = {str(name): source.data[:, i] for i, name in enumerate(source.feature_names)}
    order = np.random.default_rng(seed).permutation(len(source.target)).astype(np.int64)
    train, validation, test = np.split(order, [N_TRAIN, N_TRAIN + N_VALIDATION])
    means = np.stack([values for name, values in columns.items() if name.startswith("mean ")], axis=1)
    inputs = (means - means[train].mean(axis=0)) / means[train].std(axis=0)
    terciles = np.quantile(columns["worst texture"][train], [1 / 3, 2 / 3])
    targets = {
        # The source codes malignant as 0.
        "malignant": (source.target == 0).astype(np.float32),
        "worst_area": columns["worst area"][:, None].astype(np.float32),
        "worst_concavity": columns["worst concavity"][:, None].astype(np.float32),
        "texture_grade": np.digitize(columns["worst texture"], terciles).astype(np.int64),
        "radius_error": columns["radius error"][:, None].astype(np.float32),
    }
    return Dataset(inputs.astype(np.float32), targets, train, validation, test)


BREAST_CANCER = Problem(
    "breast-cancer",
    "Breast cancer samples, five tasks",
    "Samples of breast tissue, described by ten averages over their cell nuclei, standardised. From these: "
    "whether the tumour is malignant, the area and the concavity of the worst nuclei, the tercile of their "
    "texture, and the standard error of the radius.",
    _TASKS,
    _load,
    Recipe(hidden=(16, 16), epochs=40, batch_size=32, learning_rate=0.003, weight_decay=0.01),
)
