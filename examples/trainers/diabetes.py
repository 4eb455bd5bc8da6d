"""Data of the examples: four tasks on 442 patients, bundled with scikit-learn.

From age, sex and five blood values, predict the progress of the disease a year later, body mass index, blood
pressure and one more blood value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TASKS = ("progress", "bmi", "pressure", "triglycerides")
COLUMNS = {"bmi": 2, "pressure": 3, "triglycerides": 8}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the data: inputs ``[rows, 7]`` and standardised targets ``[rows]`` by task."""

    inputs: Any
    targets: dict[str, Any]

    def columns(self, tasks: list[str]) -> Any:
        """Return the targets of some tasks, ``[rows, tasks]``."""
        return np.stack([self.targets[task] for task in tasks], axis=1)


def load() -> dict[str, Rows]:
    """Return the rows to train on, to validate and to test, always the same."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    targets = {"progress": data.target, **{task: data.data[:, c] for task, c in COLUMNS.items()}}
    inputs = np.delete(data.data, list(COLUMNS.values()), axis=1)
    order = np.random.default_rng(0).permutation(len(inputs))
    parts = dict(zip(("train", "validation", "test"), np.split(order, [260, 350]), strict=True))
    seen = parts["train"]

    def standard(values: Any) -> Any:
        return ((values - values[seen].mean(axis=0)) / values[seen].std(axis=0)).astype(np.float32)

    inputs, targets = standard(inputs), {task: standard(values) for task, values in targets.items()}
    return {
        name: Rows(inputs[rows], {task: values[rows] for task, values in targets.items()})
        for name, rows in parts.items()
    }
