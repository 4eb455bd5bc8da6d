"""Summary of a replay: mean regret curves, their spread, and the charge that a regret takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.replay.replaying import Replay

THRESHOLDS = (0.01, 0.002)
"""Mean validation regrets whose charge is reported: 1 % and 0.2 %."""


@dataclass(frozen=True, eq=False)
class RegretCurve:
    """Regret against charge, mean over inference budgets and seeds; `C` checkpoints.

    A mean is NaN, which stands for "not yet", while some search in it has no grouping to recommend: a mean
    over the others would flatter a strategy that covers the cheap budgets last.

    Attributes:
        charges: ``[C]``, charges of the checkpoints.
        mean: ``[C]``, mean regret.
        low: ``[C]``, least mean over the budgets of any seed.
        high: ``[C]``, largest mean over the budgets of any seed.
        share: ``[C]``, share of searches with a recommendation, from 0 to 1.
    """

    charges: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    share: FloatArray


def regret_curve(replay: Replay, *, is_test: bool = False) -> RegretCurve:
    """Compute the mean curve of a replay; all NaN where it could not be replayed."""
    regret = replay.test_regret if is_test else replay.validation_regret  # [S, B, C]
    empty = np.full(len(replay.charges), np.nan)
    if not len(regret):
        return RegretCurve(replay.charges, empty, empty, empty, np.zeros(len(replay.charges)))
    by_seed = regret.mean(axis=1)
    share = (~np.isnan(replay.validation_losses)).mean(axis=(0, 1))
    low, high = by_seed.min(axis=0), by_seed.max(axis=0)
    return RegretCurve(replay.charges, by_seed.mean(axis=0), low, high, share)


def charge_within(replay: Replay, threshold: float) -> float | None:
    """Return the first checkpoint from which the mean validation regret stays within a threshold."""
    mean = regret_curve(replay).mean
    within = np.asarray(mean <= threshold)  # NaN is not
    beyond = np.flatnonzero(~within)
    first = 0 if not len(beyond) else int(beyond[-1]) + 1
    return float(replay.charges[first]) if len(within) and first < len(within) else None


def mean_gain(replay: Replay, total_weight: float, *, is_test: bool = True) -> FloatArray:
    """Compute the mean over seeds of the gain per task, ``[B]``, where losses are 1 - gain."""
    losses = replay.test_losses if is_test else replay.validation_losses
    n_budgets = len(replay.reference.budgets_snt)
    if not len(losses):
        return np.full(n_budgets, np.nan)
    gain: FloatArray = 1.0 - losses[:, :, -1].mean(axis=0) / total_weight
    return gain
