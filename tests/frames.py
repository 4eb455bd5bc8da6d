"""Small tables for tests of data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd

N_ROWS = 240


def shop(n_rows: int = N_ROWS) -> pd.DataFrame:
    """Customers of a shop: numbers, a category, a truth value, a date, missing values, and two targets."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, n_rows).astype(float)
    city = rng.choice(["Bonn", "Köln", "Ulm"], n_rows)
    member = rng.random(n_rows) < 0.4
    price = 3 * age + 20 * (city == "Ulm") + rng.normal(0, 5, n_rows)
    clicked = np.where(price + rng.normal(0, 30, n_rows) > 150, "yes", "no").astype(object)
    age[rng.random(n_rows) < 0.1] = np.nan
    price[:20] = np.nan
    clicked[30:50] = None
    return pd.DataFrame(
        {
            "user": [f"u{n // 4}" for n in range(n_rows)],
            "day": pd.date_range("2024-01-01", periods=n_rows, freq="D").strftime("%Y-%m-%d"),
            "age": age,
            "city": city,
            "member": member,
            "price": price,
            "clicked": clicked,
        }
    )


def fields(n_fields: int = 4, n_rows: int = 60) -> pd.DataFrame:
    """A table in long form: fields as tasks, each with its own rows, and mines to find."""
    rng = np.random.default_rng(1)
    signal = rng.normal(size=(n_fields * n_rows, 3)).round(4)
    field = np.repeat([f"field {n + 1}" for n in range(n_fields)], n_rows)
    mine = (signal[:, 0] + rng.normal(0, 0.5, len(signal)) > 0.7).astype(int)
    frame = pd.DataFrame({"field": field, "a": signal[:, 0], "b": signal[:, 1], "c": signal[:, 2]})
    return frame.assign(mine=mine)
