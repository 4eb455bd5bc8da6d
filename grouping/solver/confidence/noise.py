"""Noise of the losses of a table, and draws of what the losses may truly be.

**What is drawn.** The observed mean of a cell is ``x[n, t] = theta[n, t] + error``; ``theta`` is the mean
loss over all seeds that could be trained. Draws are those of the posterior of ``theta`` under a flat prior:
a normal around ``x`` with the error's covariance. A flat prior knows nothing of networks being alike, and the
observed winner is flattered by its own error, which the draws repeat: where noise is large, they find it best
more often than it truly is (see `grouping.solver.confidence.assessment`).

**From several seeds.** With 2 to 5 seeds, a bootstrap over seeds has 3 to 126 distinct resamples and a
spread too small by ``sqrt((S - 1) / S)`` (29 % with two seeds), and the variance of a single cell is itself
uncertain by 70 to 140 %. So the noise is pooled and drawn from a normal:

1. residuals are relative, ``(L[n, t, s] - x[n, t]) / |x[n, t]|``: noise grows with the loss, so a poor
   network does not inflate the noise of the good ones;
2. what a seed does to a task in all networks alike (its mean residual over the networks) is taken out, since
   every grouping serves every task once and all shift by the same: only differences decide. It is drawn for
   the interval of the total loss, by which it does count;
3. residuals are pooled over networks into one covariance of the tasks, ``[T, T]``, since the losses of one
   trial rise and fall together; a pair of tasks is pooled over the networks that hold both, each entry with
   its own degrees of freedom, ``(networks - 1) (S - 1)`` on the diagonal. Negative eigenvalues, which entries
   pooled over different networks may cause, are cut off;
4. a cell's mean over S seeds has that covariance divided by S. Networks are independent of each other.

It assumes that relative noise is that of the task, whatever the network, and that seeds are a fair sample.
The split of the data is the same in all seeds: its effect is not seen.

**From a stated level.** Each mean has an independent normal error of ``noise * |x[n, t]|``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.percentages import fixed_percent
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.errors import InvalidInputError
from grouping.solver.exact.instance import BoolArray

_LEAST_SCALE = 0.1
"""Noise is relative to the cell's loss, or to this part of the task's median where that is near zero."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Errors of the mean losses of a table, as a distribution to draw from.

    Attributes:
        scale: ``[N, T]`` loss that the noise of a cell is relative to; 0 where the cell is absent.
        factor: ``[T, T]``; relative errors of a network's means are ``factor @ z`` for standard normal z.
        shared: ``[T]`` relative standard deviation of what all networks share in these seeds.
        n_trials: number of trials (seeds) behind each mean; a stated level counts as that of this mean.
        sentence: how the noise was obtained.
    """

    scale: FloatArray
    factor: FloatArray
    shared: FloatArray
    n_trials: int
    sentence: str

    def draw(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """Draw errors of the means that differ between networks, ``[D, N, T]``; 0 for absent cells."""
        normal = generator.standard_normal((n_draws, *self.scale.shape))
        drawn: FloatArray = (normal @ self.factor.T) * self.scale
        return drawn

    def draw_shared(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """Draw relative errors of the means that all networks share, ``[D, T]``."""
        drawn: FloatArray = generator.standard_normal((n_draws, self.shared.size)) * self.shared
        return drawn


def stated_noise(table: ScoreTable, level: float) -> Noise:
    """Return independent normal errors of a stated size.

    Args:
        table: the score table.
        level: standard deviation of a mean relative to its absolute value: 0.01 is one per cent.

    Raises:
        InvalidInputError: unless the level is from 0 to 1.
    """
    if not 0 <= level <= 1:
        raise InvalidInputError(
            f"The noise level is a part of the loss between 0 and 1 (0.01 is one per cent); got {level}.",
            pointer="/noise",
        )
    n_tasks = len(table.tasks)
    sentence = f"Noise as stated: each mean loss is uncertain by {level:.3g} times its value, independently."
    return Noise(
        np.nan_to_num(np.abs(table.validation)),
        level * np.eye(n_tasks),
        np.zeros(n_tasks),
        max(1, len(table.seeds)),
        sentence,
    )


def measured_noise(table: ScoreTable) -> Noise:
    """Estimate the noise from the differences between seeds; see the module.

    Args:
        table: a table on common seeds (`ScoreTable.on_common_seeds`); completely measured networks are read.

    Raises:
        InvalidInputError: with fewer than two seeds, or if no task is in two measured networks.
    """
    n_seeds = len(table.seeds)
    if n_seeds < 2:
        raise InvalidInputError(
            "The noise of these losses is unknown: all networks have one seed in common at most. "
            "State a noise level, such as 0.01 for one per cent, or train another seed.",
            pointer="/noise",
        )
    known = table.membership & table.is_complete[:, None]
    scale = _scale(table.validation, known)
    with np.errstate(divide="ignore", invalid="ignore"):
        residuals = (table.validation_losses - table.validation[:, :, None]) / scale[:, :, None]
    residuals = np.where(known[:, :, None] & np.isfinite(residuals), residuals, 0.0)
    n_networks = known.sum(axis=0)
    common = residuals.sum(axis=0) / np.maximum(n_networks, 1)[:, None]  # [T, S]
    residuals = np.where(known[:, :, None], residuals - common, 0.0)
    both = known.T.astype(np.float64) @ known
    share = 1.0 / np.maximum(n_networks, 1)
    # Networks that hold both tasks, less what taking out each task's mean over its own networks uses up.
    degrees = both * (1.0 - share[:, None] - share + both * np.outer(share, share)) * (n_seeds - 1)
    degrees = np.where(degrees > 1e-9, degrees, 0.0)
    if not degrees.diagonal().any():
        raise InvalidInputError(
            "The noise of these losses is unknown: no task is in two measured networks. State a noise level.",
            pointer="/noise",
        )
    products = np.einsum("nts,nus->tu", residuals, residuals)
    covariance = np.where(degrees > 0, products / np.where(degrees > 0, degrees, 1.0), 0.0)
    measured = degrees.diagonal() > 0
    np.fill_diagonal(  # a task in one network only has the noise of the others: no choice depends on it
        covariance, np.where(measured, covariance.diagonal(), covariance.diagonal()[measured].mean())
    )
    # Of the variance of the common part, what the networks' own noise explains is not common.
    excess = (common**2).sum(axis=1) / (n_seeds - 1) - covariance.diagonal() / np.maximum(n_networks, 1)
    deviations = np.sqrt(covariance.diagonal())
    n_pooled = int(known.any(axis=1).sum())
    low, high = int(deviations.argmin()), int(deviations.argmax())
    names = table.task_names
    sentence = (
        f"Noise measured on {n_seeds} seeds, pooled over {n_pooled} networks: the loss of one trial has a "
        f"standard deviation of {fixed_percent(deviations[low], 2)} ({names[low]}) to "
        f"{fixed_percent(deviations[high], 2)} ({names[high]}), what a seed does to all networks alike "
        "left out."
    )
    return Noise(
        scale,
        _square_root(covariance) / np.sqrt(n_seeds),
        np.sqrt(np.maximum(excess, 0.0) / n_seeds),
        n_seeds,
        sentence,
    )


def _scale(means: FloatArray, known: BoolArray) -> FloatArray:
    """Return absolute mean losses ``[N, T]``, those near zero replaced by a part of the task's median."""
    sizes = np.where(known, np.abs(means), np.nan)
    medians = np.array(
        [
            np.median(column[keep]) if keep.any() else 0.0
            for column, keep in zip(sizes.T, known.T, strict=True)
        ]
    )
    return np.where(known, np.fmax(sizes, _LEAST_SCALE * medians), 0.0)


def _square_root(covariance: FloatArray) -> FloatArray:
    """Return a factor F: ``F F^T`` is the covariance, negative eigenvalues cut off, its diagonal kept."""
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    made = np.sqrt((factor**2).sum(axis=1))
    wanted = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scaled: FloatArray = factor * np.where(made > 0, wanted / np.where(made > 0, made, 1.0), 0.0)[:, None]
    return scaled
