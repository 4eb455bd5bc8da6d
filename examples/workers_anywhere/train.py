"""Train one network: ridge regressions of the tasks on features that they share.

The tasks are columns of data that are made up here; each is a curve of one variable with noise.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--tasks", required=True, help="names, separated by commas")
parser.add_argument("--size", type=float, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--fidelity", type=float, default=1.0)
parser.add_argument("--out", type=Path, required=True, help="folder for result.json")
told = parser.parse_args()

x = np.linspace(-1, 1, 300)[:, None]
tasks = told.tasks.split(",")


def curve(task: str) -> np.ndarray:
    """The targets of a task, which follow from its name."""
    own = np.random.default_rng(zlib.crc32(task.encode()))
    return np.sin(own.uniform(2, 6) * x[:, 0] + own.uniform(0, 3)) + own.normal(0, 0.1, len(x))


rows = np.random.default_rng(0).permutation(len(x))
seen, validation, test = np.split(rows, [int(200 * told.fidelity), 250])
generator = np.random.default_rng(told.seed)
n_features = max(2, round(12 * told.size))
features = np.tanh(x @ generator.normal(0, 3, (1, n_features)) + generator.normal(0, 1, n_features))
targets = np.stack([curve(task) for task in tasks], axis=1)
# One ridge for all tasks: its strength is shared, chosen on their sum.
gram, moment = features[seen].T @ features[seen], features[seen].T @ targets[seen]
fits = [np.linalg.solve(gram + strength * np.eye(n_features), moment) for strength in (0.01, 0.1, 1.0)]
errors = [((features @ fit - targets) ** 2) for fit in fits]
best = min(errors, key=lambda error: error[validation].sum())
result = {
    name: {task: float(best[part, t].mean()) for t, task in enumerate(tasks)}
    for name, part in (("validation", validation), ("test", test))
}
print(f"trained {told.tasks} at size {told.size:g}: {result['validation']}")
(told.out / "result.json").write_text(json.dumps(result))
