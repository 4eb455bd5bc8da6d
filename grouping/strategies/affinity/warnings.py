"""Warnings on a modelled affinity matrix: noise, estimated cells, unknown cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.pair_gaps import list_some
from grouping.domain.tables.score_table import FloatArray, ScoreTable


def warnings_of_estimate(
    trained: ScoreTable,
    n_seen: int,
    values: FloatArray,
    errors: FloatArray,
    is_estimated: NDArray[np.bool_],
) -> tuple[str, ...]:
    """Write sentences on the noise of measured cells, on estimated ones and on unknown ones.

    Args:
        trained: the networks behind the matrix.
        n_seen: number of those networks that the model of the estimated effects was fitted to.
        values: ``[T, T]``, NaN where unknown.
        errors: ``[T, T]``, their standard errors, NaN where unknown.
        is_estimated: ``[T, T]``; the other values are measured.
    """
    names = trained.task_names
    apart = ~np.eye(len(names), dtype=np.bool_)
    found = []
    is_measured = apart & ~is_estimated & ~np.isnan(values)
    has_no_error = is_measured & np.isnan(errors)
    if has_no_error.any():
        which = "the" if (has_no_error == is_measured).all() else "some"
        found.append(f"One seed only: the noise of {which} measured values is unknown.")
    if is_estimated.any():
        found.append(_by_model(n_seen))
    found += _on_losses_alone(trained, [name for t, name in enumerate(names) if is_estimated[:, t].any()])
    return (*found, *_unknown(names, values))


def warnings_of_posterior(
    trained: ScoreTable, n_seen: int, values: FloatArray, largest: int
) -> tuple[str, ...]:
    """Write sentences on a matrix of which the model expects every cell.

    Args:
        trained: the networks behind the matrix.
        n_seen: number of those networks that the model was fitted to.
        values: ``[T, T]``, NaN where unknown.
        largest: number of tasks of the largest group that was trained.
    """
    if np.isnan(values).all():
        return ()
    trained_up_to = (
        "" if largest == len(trained.tasks) else f" Groups of more than {largest} tasks are left out."
    )
    return (_by_model(n_seen) + trained_up_to, *_unknown(trained.task_names, values))


def _by_model(n_seen: int) -> str:
    return (
        f"Estimated effects are what a model of {n_seen:,} trained networks expects. "
        "Their standard errors are the model's: too small where small groups behave unlike large ones."
    )


def _unknown(names: tuple[str, ...], values: FloatArray) -> list[str]:
    """Name the effects without a value, if others have one."""
    apart = ~np.eye(len(names), dtype=np.bool_)
    unknown = apart & np.isnan(values)
    if not unknown.any() or unknown[apart].all():
        return []
    named = [f"{names[i]} on {names[j]}" for i, j in np.argwhere(unknown)]
    return [f"No two trained networks tell these effects: {list_some(named)}."]


def _on_losses_alone(trained: ScoreTable, targets: list[str]) -> list[str]:
    """Name targets whose loss alone is a guess, as they were not trained alone at full size or at all."""
    singles = [network for network in trained.networks if len(network.group) == 1]
    at_full_size = {task for network in singles if network.size == 1 for task in network.group}
    at_any_size = {task for network in singles for task in network.group}
    found = []
    if other_size := [name for name in targets if name in at_any_size - at_full_size]:
        found.append(
            f"Never trained alone at full size: {list_some(other_size)}. How strong all effects on them are "
            "is uncertain; which are better and which worse is less so."
        )
    if never := [name for name in targets if name not in at_any_size]:
        found.append(
            f"Never trained alone at any size: {list_some(never)}. Effects on them are relative to a loss "
            "that was extrapolated from groups, and may be far off."
        )
    return found
