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
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.errors import InvalidInputError
from grouping.solver.exact.instance import BoolArray

_MOST_AT_ONCE = 4_000_000
"""Numbers of the covariances that are factorised at once."""
_LEAST_SCALE = 0.1
"""Noise is relative to the cell's loss, or to this part of the task's median where that is near zero."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Errors of the mean losses of a table, as a distribution to draw from.

    Attributes:
        cells: the cells of the table, `E` of them.
        scale: ``[E]`` loss that the noise of a cell is relative to.
        covariance: ``[T, T]`` of the relative errors of a network's means.
        shared: ``[T]`` relative standard deviation of what all networks share in these seeds.
        n_trials: number of trials (seeds) behind each mean; a stated level counts as that of this mean.
        sentence: how the noise was obtained.
    """

    cells: TableCells
    scale: FloatArray
    covariance: FloatArray
    shared: FloatArray
    n_trials: int
    sentence: str

    def draw(self, n_draws: int, generator: np.random.Generator) -> FloatArray:
        """Draw errors of the means that differ between networks, ``[D, E]``."""
        drawn = generator.standard_normal((n_draws, self.cells.n_cells))
        variances = np.diagonal(self.covariance)
        if np.count_nonzero(self.covariance) == np.count_nonzero(variances):  # each error on its own
            drawn *= np.sqrt(variances)[self.cells.columns] * self.scale
            return drawn
        sizes = self.cells.group_sizes
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = np.flatnonzero(sizes == size)
            for part in np.array_split(rows, max(1, rows.size * size * size // _MOST_AT_ONCE)):
                places = self.cells.starts[part][:, None] + np.arange(size)  # [rows, size]
                tasks = self.cells.columns[places]
                factor = _square_root(self.covariance[tasks[:, :, None], tasks[:, None, :]])
                for one in drawn:
                    one[places] = np.einsum("nij,nj->ni", factor, one[places])
        drawn *= self.scale
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
        table.cells,
        np.nan_to_num(np.abs(table.cell_losses)),
        level**2 * np.eye(n_tasks),
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
    from scipy.sparse import csr_array

    cells, shape = table.cells, (len(table.networks), len(table.tasks))
    known = table.is_complete[cells.rows]
    rows, columns = cells.rows[known], cells.columns[known]
    scale = _scale(table.cell_losses, cells, known)
    with np.errstate(divide="ignore", invalid="ignore"):
        residuals = (table.validation_scores - table.cell_losses[:, None])[known] / scale[known, None]
    residuals = np.where(np.isfinite(residuals), residuals, 0.0)  # [known cells, S]
    n_networks = np.bincount(columns, minlength=shape[1])
    sums = [np.bincount(columns, weights=one, minlength=shape[1]) for one in residuals.T]
    common = np.stack(sums, axis=1) / np.maximum(n_networks, 1)[:, None]  # [T, S]
    residuals = residuals - common[columns]
    holds = csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    both = (holds.T @ holds).toarray()
    share = 1.0 / np.maximum(n_networks, 1)
    # Networks that hold both tasks, less what taking out each task's mean over its own networks uses up.
    degrees = both * (1.0 - share[:, None] - share + both * np.outer(share, share)) * (n_seeds - 1)
    degrees = np.where(degrees > 1e-9, degrees, 0.0)
    if not degrees.diagonal().any():
        raise InvalidInputError(
            "The noise of these losses is unknown: no task is in two measured networks. State a noise level.",
            pointer="/noise",
        )
    by_seed = (csr_array((one, (rows, columns)), shape=shape) for one in residuals.T)
    products = sum((one.T @ one).toarray() for one in by_seed)
    covariance = np.where(degrees > 0, products / np.where(degrees > 0, degrees, 1.0), 0.0)
    measured = degrees.diagonal() > 0
    np.fill_diagonal(  # a task in one network only has the noise of the others: no choice depends on it
        covariance, np.where(measured, covariance.diagonal(), covariance.diagonal()[measured].mean())
    )
    # Of the variance of the common part, what the networks' own noise explains is not common.
    excess = (common**2).sum(axis=1) / (n_seeds - 1) - covariance.diagonal() / np.maximum(n_networks, 1)
    deviations = np.sqrt(covariance.diagonal())
    n_pooled = int(np.unique(rows).size)
    low, high = int(deviations.argmin()), int(deviations.argmax())
    names = table.task_names
    sentence = (
        f"Noise measured on {n_seeds} seeds, pooled over {n_pooled} networks: the loss of one trial has a "
        f"standard deviation of {fixed_percent(deviations[low], 2)} ({names[low]}) to "
        f"{fixed_percent(deviations[high], 2)} ({names[high]}), what a seed does to all networks alike "
        "left out."
    )
    return Noise(
        cells,
        scale,
        covariance / n_seeds,
        np.sqrt(np.maximum(excess, 0.0) / n_seeds),
        n_seeds,
        sentence,
    )


def _scale(means: FloatArray, cells: TableCells, known: BoolArray) -> FloatArray:
    """Return absolute mean losses ``[E]``, those near zero replaced by a part of the task's median."""
    sizes = np.abs(means)
    medians = np.zeros(cells.n_tasks)
    order = np.flatnonzero(known)
    order = order[np.argsort(cells.columns[order], kind="stable")]
    by_task = np.split(order, np.searchsorted(cells.columns[order], np.arange(1, cells.n_tasks)))
    for t, own in enumerate(by_task):
        medians[t] = np.median(sizes[own]) if own.size else 0.0
    return np.where(known, np.fmax(sizes, _LEAST_SCALE * medians[cells.columns]), 0.0)


def _square_root(covariances: FloatArray) -> FloatArray:
    """Return factors F ``[N, k, k]``: each ``F F^T`` is the covariance, negative eigenvalues cut off.

    The diagonal is kept.
    """
    values, vectors = np.linalg.eigh(covariances)
    factors = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    made = np.sqrt((factors**2).sum(axis=2))
    wanted = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    scaled: FloatArray = factors * np.where(made > 0, wanted / np.where(made > 0, made, 1.0), 0.0)[:, :, None]
    return scaled
