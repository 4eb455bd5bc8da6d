"""The part of a score table behind a modelled affinity: what was trained, and what the model sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.score_table import FloatArray, ScoreTable

MAX_ESTIMATE_CELLS = 1_500
"""Measured cells that the model sees at most; of larger tables the smallest groups, and the largest one."""
SIZE_DEVIATION = 0.1
"""Standard error of a loss alone, as a share of it, per doubling of the size that it is extrapolated over."""


@dataclass(frozen=True, eq=False)
class TrainedPart:
    """What of a table a modelled affinity is told from.

    Attributes:
        trained: the completely measured networks.
        seen: those of them that the model is fitted to.
        together: ``[T, T]``, number of trained networks that hold both tasks; 0 on the diagonal.
        has_contrast: ``[T, T]``, whether one seen network of the target (second) holds the source (first),
            and one does not.
    """

    trained: ScoreTable
    seen: ScoreTable
    together: NDArray[np.int64] = field(repr=False)
    has_contrast: NDArray[np.bool_] = field(repr=False)

    @classmethod
    def of(cls, table: ScoreTable) -> TrainedPart:
        """Select it from a table."""
        trained = _trained(table)
        seen = trained.select(_rows_seen(trained))
        together, both = _count_together(trained), _count_together(seen)
        has_contrast = (both > 0) & (np.diag(both)[None, :] > both)
        np.fill_diagonal(has_contrast, False)
        np.fill_diagonal(together, 0)
        return cls(trained, seen, together, has_contrast)


def with_losses_near_one(table: ScoreTable) -> ScoreTable:
    """Rescale the table so that each task's largest absolute validation loss is between 0.5 and 1.

    Gains are free of the unit, and squares of the losses do not overflow. Powers of two change no digit.
    """
    losses = table.validation_losses
    largest = np.nan_to_num(np.abs(losses)).max(axis=(0, 2), initial=0.0)
    exponents = np.frexp(largest)[1]
    return table.with_arrays(np.ldexp(losses, -exponents[:, None]))


def why_empty(values: FloatArray, together: NDArray[np.int64]) -> str:
    """Return why a matrix has no value at all, in a sentence; empty if it has one."""
    if not np.isnan(values).all():
        return ""
    if not together.any():
        return "No network with two tasks has been trained."
    return "No two trained networks tell the effect of a task on another."


def _trained(table: ScoreTable) -> ScoreTable:
    """Select completely measured networks on their common seeds; on all seeds if there is none."""
    rows = np.flatnonzero(table.is_complete & table.membership.any(axis=1))
    trained = table.select(rows)
    common = trained.on_common_seeds()
    return common if len(common.seeds) else trained


def _count_together(table: ScoreTable) -> NDArray[np.int64]:
    """Count networks that hold both tasks, ``[T, T]``; on the diagonal those that hold the one."""
    member = table.membership.astype(np.int64)
    found: NDArray[np.int64] = member.T @ member
    return found


def _rows_seen(table: ScoreTable) -> NDArray[np.int64]:
    """Return rows that the model is fitted to, smallest groups first, whatever the names.

    Within a size of group the order is random, from a fixed seed: small losses must not be preferred.
    """
    if not len(table.networks):
        return np.arange(0)
    losses = table.validation
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.sort(losses / np.nansum(np.abs(losses), axis=0), axis=1)
    sizes = np.array([network.size for network in table.networks])
    count = table.membership.sum(axis=1)
    plain = np.lexsort((*np.nan_to_num(relative).T[::-1], sizes))
    mixed = np.random.default_rng(0).permutation(plain)
    order = mixed[np.argsort(count[mixed], kind="stable")]
    needed = {int(order[-1]), *(int(order[table.membership[order, t].argmax()]) for t in known_tasks(table))}
    first = np.array([n for n in order if n in needed])
    rest = np.array([n for n in order if n not in needed], dtype=np.int64)
    fits = np.cumsum(count[rest]) <= MAX_ESTIMATE_CELLS - count[first].sum()
    return np.concatenate([first, rest[fits]])


def known_tasks(table: ScoreTable) -> NDArray[np.int64]:
    """Return the tasks that some network holds."""
    return np.flatnonzero(table.membership.any(axis=0))


def doublings_alone(table: ScoreTable) -> FloatArray:
    """Return ``[T]``: doublings between full size and the nearest size of a task trained alone.

    1 for a task that never was: from groups to the task alone is a step as well.
    """
    found = np.full(len(table.tasks), np.inf)
    for network, member in zip(table.networks, table.membership, strict=True):
        if len(network.group) == 1:
            found[member] = np.minimum(found[member], abs(np.log2(network.size)))
    return np.where(np.isinf(found), 1.0, found)
