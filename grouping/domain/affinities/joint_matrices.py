"""Affinity matrices of joint runs: averages over networks and seeds, with warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, JOINT_METHODS, JointRun
from grouping.domain.affinities.matrix import ONE_SEED, AffinityMatrix, mean_over_seeds, missing_pairs
from grouping.domain.affinities.methods import METHODS
from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.pair_gaps import list_some

OVERLAP_NEEDED = 0.4
"""Share of common samples from which affinities from gradients are reliable."""
OVERLAP_OF_NOISE = 0.3
"""Share of common samples below which affinities from gradients are noise."""


def joint_affinities(tasks: Sequence[str], runs: Sequence[JointRun]) -> Mapping[str, AffinityMatrix]:
    """Average joint runs: within a seed over networks, then over seeds.

    Args:
        tasks: names of the `T` tasks, in display order.
        runs: joint runs on some or all of the tasks, at most one per network and seed.

    Returns:
        A matrix for each of `JOINT_METHODS` that at least one of the runs measured, in that order.
    """
    found = {}
    for method in JOINT_METHODS:
        if measured := [run for run in runs if method in run.affinities.values]:
            found[method] = _average(tuple(tasks), measured, method)
    return found


def _average(tasks: tuple[str, ...], runs: Sequence[JointRun], method: str) -> AffinityMatrix:
    seeds = sorted({run.seed for run in runs})
    sums = np.zeros((len(tasks), len(tasks), len(seeds)))
    counted = np.zeros_like(sums)
    for run in runs:
        found = run.affinities.values[method]
        places = [tasks.index(task) for task in run.affinities.tasks]
        square, seed = np.ix_(places, places), seeds.index(run.seed)
        sums[:, :, seed][square] += np.where(np.isnan(found), 0.0, found)
        counted[:, :, seed][square] += ~np.isnan(found)
    values, errors, n_networks = mean_over_seeds(sums, counted)
    own = np.diag(values).copy()
    np.fill_diagonal(values, np.nan)
    np.fill_diagonal(errors, np.nan)
    np.fill_diagonal(n_networks, 0)
    warnings = _few_common_samples(tasks, runs) if method in GRADIENT_METHODS else []
    warnings += _what_is_mixed(runs)
    if not np.isfinite(values[~np.eye(len(tasks), dtype=bool)]).all():
        warnings.append(missing_pairs(tasks, values))
    formula = METHODS[method].formula
    return AffinityMatrix(tasks, method, formula, values, errors, n_networks, tuple(warnings), own)


def _few_common_samples(tasks: tuple[str, ...], runs: Sequence[JointRun]) -> list[str]:
    warnings = []
    overlaps: dict[tuple[str, str], float] = {}
    for run in runs:
        found = run.affinities
        for i, a in enumerate(found.tasks):
            for j, b in enumerate(found.tasks[:i]):
                pair = (a, b) if tasks.index(a) < tasks.index(b) else (b, a)
                overlaps[pair] = min(overlaps.get(pair, 1.0), float(found.sample_overlap[i, j]))
    for low, high, verdict in (
        (0.0, OVERLAP_OF_NOISE, "their affinities are noise"),
        (OVERLAP_OF_NOISE, OVERLAP_NEEDED, "their affinities may be unreliable"),
    ):
        named = [
            f"{a} and {b} ({fixed_percent(x, 0)})"
            for (a, b), x in sorted(overlaps.items())
            if low <= x < high
        ]
        if named:
            warnings.append(
                f"Pairs that share under {fixed_percent(high, 0)} of their samples, so that {verdict}: "
                f"{list_some(named)}."
            )
    return warnings


def _what_is_mixed(runs: Sequence[JointRun]) -> list[str]:
    warnings = []
    if len({run.seed for run in runs}) < 2:
        warnings.append(ONE_SEED)
    if len({run.network.size for run in runs}) > 1:
        warnings.append(
            "Networks of different sizes stand behind these values: capacity and affinity are mixed."
        )
    if len({run.network.group for run in runs}) > 1:
        warnings.append(
            "Networks of different groups stand behind these values: cells may not be comparable."
        )
    return warnings
