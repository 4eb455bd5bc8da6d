"""Prediction of full from early losses: a line per task, fitted to networks with both.

Early losses of different groups are not comparable as they are: a large group may start slowly and end
well. What they tell is learned per task from networks of which both are known,

    full = mean of full + slope * (early - mean of early),

with the slope of least squares multiplied by ``max(0, 1 - 1 / F)``, F its squared t-value, as in the
positive-part shrinkage of James and Stein (1961), and not below 0: that a network ends better because it
starts worse is taken for noise. Where early losses tell nothing, the prediction is the mean of the task and
the standard deviation that of its networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.score_table import FloatArray


@dataclass(frozen=True, slots=True)
class EarlyLine:
    """The line of a task, from early losses to full losses.

    Attributes:
        early_mean: mean early loss of the calibrating networks.
        full_mean: their mean full loss.
        slope: the shrunk slope, at least 0.
        slope_error: its standard error.
        noise: standard deviation of full losses about the line.
        n_networks: number of calibrating networks, at least 2.
    """

    early_mean: float
    full_mean: float
    slope: float
    slope_error: float
    noise: float
    n_networks: int

    def predict(self, early: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Predict mean full losses and standard deviations, ``[M]`` each, from early losses ``[M]``."""
        distance = early - self.early_mean
        variance = self.noise**2 * (1 + 1 / self.n_networks) + (self.slope_error * distance) ** 2
        return self.full_mean + self.slope * distance, np.sqrt(variance)


def fit_early_line(early: FloatArray, full: FloatArray) -> EarlyLine | None:
    """Fit the line of one task.

    Args:
        early: ``[N]`` early losses.
        full: ``[N]`` full losses of the same networks.

    Returns:
        The line; None with fewer than two networks, where the deviation is not known.
    """
    n = len(full)
    if n < 2:
        return None
    x, y = early - early.mean(), full - full.mean()
    flat = EarlyLine(float(early.mean()), float(full.mean()), 0.0, 0.0, float(full.std(ddof=1)), n)
    spread = float(x @ x)
    if n < 4 or not spread > 1e-24 * max(1.0, float(early @ early)):
        return flat
    raw = float(x @ y) / spread
    squared_error = float(np.sum((y - raw * x) ** 2)) / (n - 2) / spread
    if raw <= 0 or raw**2 <= squared_error:
        return flat
    kept = 1 - squared_error / raw**2
    slope = kept * raw
    noise = float(np.sqrt(np.sum((y - slope * x) ** 2) / (n - 2)))
    return EarlyLine(flat.early_mean, flat.full_mean, slope, float(np.sqrt(kept * squared_error)), noise, n)
