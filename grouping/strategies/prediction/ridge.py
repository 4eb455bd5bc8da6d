"""Ridge regression (Hoerl and Kennard 1970) whose strength is chosen by leaving one observation out.

With the singular values ``s`` of the centred features, the fit of strength ``k`` weighs each direction by
``s^2 / (s^2 + k)``; with ``h_i`` the diagonal of its hat matrix, the residual of observation i in a fit
without it is ``e_i / (1 - h_i)`` (Allen 1974), so no fit is repeated. An infinite strength is among the
choices: features that predict nothing leave the mean, and their standard deviation says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from grouping.domain.tables.score_table import FloatArray

STRENGTHS = 10.0 ** np.arange(-3.0, 3.5, 0.5)
"""Tried strengths, relative to the mean squared singular value."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """A fitted line with its uncertainty.

    Attributes:
        mean: mean of the observations; the intercept, which is not shrunk.
        centre: ``[P]``, means of the features.
        slopes: ``[P]``, slopes of the features.
        strength: strength of the chosen fit; infinite if all slopes are 0.
        noise: standard deviation of an observation about the line; NaN with fewer than two.
        n_observations: number of fitted observations.
        directions: ``[K, P]`` principal directions of the centred features.
        squares: ``[K]`` squared singular values.
    """

    mean: float
    centre: FloatArray = field(repr=False)
    slopes: FloatArray = field(repr=False)
    strength: float
    noise: float
    n_observations: int
    directions: FloatArray = field(repr=False)
    squares: FloatArray = field(repr=False)

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Predict means and standard deviations of observations, ``[M]`` each, from features ``[M, P]``.

        The deviation is that of the Gaussian posterior whose mode the fit is: noise, uncertainty of the mean,
        and uncertainty of the slopes, the larger the less a direction was observed.
        """
        centred = features - self.centre
        means = self.mean + centred @ self.slopes
        spread = np.full(len(features), 1.0 + 1.0 / self.n_observations)
        if np.isfinite(self.strength):
            along = (centred @ self.directions.T) ** 2
            unseen = np.maximum((centred**2).sum(axis=1) - along.sum(axis=1), 0.0)
            spread += (along / (self.squares + self.strength)).sum(axis=1) + unseen / self.strength
        return means, self.noise * np.sqrt(spread)


def fit_ridge(features: FloatArray, observed: FloatArray) -> Ridge:
    """Fit a line with the strength of the least squared error on left-out observations.

    Args:
        features: ``[N, P]``.
        observed: ``[N]``, N at least 1.
    """
    n = len(observed)
    centre, mean = features.mean(axis=0), float(observed.mean())
    left, singular, directions = np.linalg.svd(features - centre, full_matrices=False)
    squares = singular**2
    keep = squares > 1e-12 * max(1.0, float(squares.max(initial=0.0)))
    left, squares, directions = left[:, keep], squares[keep], directions[keep]
    residual = observed - mean
    along = left.T @ residual
    best: tuple[float, float, float] | None = None  # error left out, strength, squared noise
    for strength in (np.inf, *(STRENGTHS[::-1] * squares.mean() if len(squares) else ())):
        weights = squares / (squares + strength) if np.isfinite(strength) else np.zeros(len(squares))
        free = np.maximum(1.0 - 1.0 / n - (left**2) @ weights, 1e-9)
        errors = residual - left @ (weights * along)
        left_out = float(np.mean((errors / free) ** 2))
        # The squared residual of a fit is about (1 - h) times that of the noise.
        if best is None or left_out < best[0] * (1 - 1e-9):
            best = (left_out, float(strength), float(np.mean(errors**2 / free)))
    assert best is not None
    _, strength, variance = best
    shrunk = np.zeros(len(squares))
    if np.isfinite(strength):
        shrunk = np.sqrt(squares) / (squares + strength) * along
    noise = float(np.sqrt(variance)) if n > 1 else np.nan
    return Ridge(mean, centre, directions.T @ shrunk, strength, noise, n, directions, squares)
