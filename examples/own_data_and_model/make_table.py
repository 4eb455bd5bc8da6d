"""Writes ``pump_station/pumps.csv``: made-up readings of eight sensors, and what is to be predicted.

Flow and pressure follow from the same hidden speed and load; wear and faults follow from something else. In
your own project this file is what you have measured.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

N_ROWS = 900
FILE = Path(__file__).parent / "pump_station" / "pumps.csv"


def main() -> None:
    """Write the table."""
    rng = np.random.default_rng(7)
    speed, load, age, heat = rng.normal(size=(4, N_ROWS))
    mixed = rng.normal(size=(8, 4)) @ np.stack([speed, load, age, heat])
    sensors = np.tanh(mixed / 2) + rng.normal(scale=0.15, size=mixed.shape)
    targets = {
        "flow": speed - 0.4 * load + 0.3 * speed * load + rng.normal(scale=0.1, size=N_ROWS),
        "pressure": load + 0.5 * speed**2 + rng.normal(scale=0.1, size=N_ROWS),
        "wear": np.digitize(age + 0.2 * heat, [-0.6, 0.6]),
        "fault": (age * heat + 0.3 * rng.normal(size=N_ROWS) > 0.4).astype(int),
    }
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(f"sensor_{n}" for n in range(1, 9)), *targets])
        for n in range(N_ROWS):
            numbers = [*sensors[:, n], targets["flow"][n], targets["pressure"][n]]
            writer.writerow([*(f"{x:.3f}" for x in numbers), targets["wear"][n], targets["fault"][n]])


if __name__ == "__main__":
    main()
