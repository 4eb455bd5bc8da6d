"""Replays of the published tables: the regrets that were recomputed from them by other means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grouping.formats import read_wide_csv
from grouping.replay.published import BUDGETS_SNT
from grouping.replay.replaying import Mode, Setup, replay
from grouping.replay.summary import regret_curve
from grouping.strategies import get_strategy

TABLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "standley"


@pytest.mark.parametrize(
    ("setting", "strategy", "regret_percent"),
    [(1, "hoa", 1.05), (3, "hoa", 1.01), (1, "esa", 3.02), (3, "esa", 3.88)],
)
def test_the_mean_test_regret_over_the_nine_budgets_is_the_known_one(
    setting: int, strategy: str, regret_percent: float
) -> None:
    if not TABLES.is_dir():
        pytest.skip(f"the published score tables are not at {TABLES}")
    stem = str(TABLES / f"setting{setting}")
    table = read_wide_csv(f"{stem}_val.csv", f"{stem}_test.csv")
    early = read_wide_csv(f"{stem}_esa.csv")
    setup = Setup(BUDGETS_SNT, Mode.EACH, checkpoints=(40.0,))
    (found,) = replay(table, [get_strategy(strategy)], setup, early=early)
    assert round(100 * float(regret_curve(found, is_test=True).mean[-1]), 2) == regret_percent


@pytest.mark.parametrize("setting", [1, 3])
def test_pairs_and_singles_cost_seventeen_and_a_half_trainings_before_hoa_chooses(setting: int) -> None:
    if not TABLES.is_dir():
        pytest.skip(f"the published score tables are not at {TABLES}")
    stem = str(TABLES / f"setting{setting}")
    table = read_wide_csv(f"{stem}_val.csv", f"{stem}_test.csv")
    (found,) = replay(table, [get_strategy("hoa")], Setup(BUDGETS_SNT, Mode.EACH))
    assert (found.total_charges >= 17.5).all()
    further = found.total_charges - 17.5
    assert np.array_equal(further, np.round(further))
    assert further.max() <= 5
