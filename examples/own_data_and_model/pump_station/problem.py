"""The data and the tasks."""

from __future__ import annotations

from importlib.resources import files

from grouping import Dataset, Method, Problem, Recipe, Task

TASKS = (
    Task.regression("flow"),
    Task.regression("pressure"),
    Task.multiclass("wear", 3),
    Task.binary("fault"),
)


def load(seed: int) -> Dataset:
    """The table as arrays, split by the seed: 500 rows train, 200 validate, 200 test."""
    import numpy as np  # here and not above: the service describes problems without loading any
    import pandas as pd

    with (files("pump_station") / "pumps.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    order = np.random.default_rng(seed).permutation(len(table))
    train, validation, test = np.split(order, [500, 700])

    inputs = table.filter(like="sensor_").to_numpy(np.float32)
    inputs = (inputs - inputs[train].mean(axis=0)) / inputs[train].std(axis=0)
    targets = {
        "flow": table[["flow"]].to_numpy(np.float32),
        "pressure": table[["pressure"]].to_numpy(np.float32),
        "wear": table["wear"].to_numpy(np.int64),
        "fault": table["fault"].to_numpy(np.float32),
    }
    return Dataset(inputs, targets, train, validation, test)


def make_problem() -> Problem:
    """What the entry point names."""
    return Problem(
        name="pumps",
        title="Pumps: four tasks from eight sensors",
        description="Made-up readings of pumps: flow, pressure, a grade of wear, and faults.",
        tasks=TASKS,
        loader=load,
        recipe=Recipe(
            hidden=(24, 24), epochs=15, learning_rate=0.01, encoder=Method("residual", {"strength": 0.5})
        ),
    )
