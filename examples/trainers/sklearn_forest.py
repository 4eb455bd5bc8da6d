"""A function: a random forest of scikit-learn, whose trees predict all tasks of a network at once."""

from __future__ import annotations

from typing import Any


def train(
    tasks: list[str], seed: int, size: float, fidelity: float, depth: int = 6
) -> dict[str, dict[str, float]]:
    """Random forests with several outputs."""
    from diabetes import load
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import mean_squared_error, r2_score

    data = load()
    n_trees = max(1, round(50 * size * fidelity))
    forest = RandomForestRegressor(n_trees, max_depth=depth, random_state=seed)
    forest.fit(data["train"].inputs, data["train"].columns(tasks).squeeze())

    def scores(measure: Any, part: str) -> dict[str, float]:
        rows = data[part]
        found = forest.predict(rows.inputs).reshape(len(rows.inputs), len(tasks))
        return {task: float(measure(rows.targets[task], found[:, t])) for t, task in enumerate(tasks)}

    return {
        "validation": scores(mean_squared_error, "validation"),
        "test": scores(mean_squared_error, "test"),
        "test_metrics": scores(r2_score, "test"),
    }
