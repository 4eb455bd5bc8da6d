"""Whether early losses rank the networks of a task: task by task, and never between tasks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grouping.domain.tables.score_table import ScoreTable
from grouping.formats import read_wide_csv
from grouping.replay.tables import open_table
from grouping.strategies import get_strategy
from grouping.strategies.prediction.rank_check import RankFinding, check_ranks, spearman
from tests.searches import run_to_the_end
from tests.tables import make_table, random_table

TABLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "standley"
TRUTH = random_table(7, n_tasks=5)
OTHER = random_table(8, n_tasks=5)


def remade(table: ScoreTable, losses: np.ndarray) -> ScoreTable:
    return make_table(table.networks, table.tasks, losses)


def test_the_rank_correlation_is_spearmans_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    for n in (6, 17, 100):
        for x, y in (
            (rng.normal(size=n), rng.normal(size=n)),
            (rng.integers(0, 4, n), rng.integers(0, 4, n)),
        ):
            expected = pd.DataFrame({"x": x, "y": y}).corr(method="spearman").loc["x", "y"]
            assert spearman(x.astype(float), y.astype(float)) == pytest.approx(expected, abs=1e-12)
    assert spearman(np.ones(9), np.arange(9.0)) is None


def test_losses_that_order_networks_alike_are_informative_whatever_their_scale() -> None:
    found = check_ranks(remade(TRUTH, 5 * TRUTH.validation**3 + 2), TRUTH)
    assert [task.correlation for task in found.tasks] == pytest.approx([1.0] * 5)
    assert {task.verdict for task in found.tasks} == {RankFinding.INFORMATIVE}
    assert found.n_networks == len(TRUTH.networks)
    assert found.summary().startswith("Early losses rank the networks of task 0, task 1, task 2, task 3 and")


def test_losses_of_another_world_are_not_informative() -> None:
    found = check_ranks(OTHER, TRUTH)
    assert {task.verdict for task in found.tasks} == {RankFinding.NOT_INFORMATIVE}
    for task in found.tasks:
        assert task.correlation is not None
        assert task.low is not None
        assert task.high is not None
        assert task.low < task.correlation < task.high
    assert abs(found.within_tasks or 0.0) < 0.3


def test_a_difference_between_tasks_is_no_ranking_within_them() -> None:
    offsets = np.arange(5) * 100.0
    found = check_ranks(remade(OTHER, OTHER.validation + offsets), remade(TRUTH, TRUTH.validation + offsets))
    cells = TRUTH.membership
    pooled = np.corrcoef((OTHER.validation + offsets)[cells], (TRUTH.validation + offsets)[cells])[0, 1]
    assert pooled > 0.99
    assert abs(found.within_tasks or 0.0) < 0.3
    assert not found.with_verdict(RankFinding.INFORMATIVE)


def test_the_interval_is_fiellers() -> None:
    found = check_ranks(OTHER, TRUTH).tasks[0]
    assert found.correlation is not None
    assert found.low is not None
    half = 1.96 * math.sqrt(1.06 / (found.n_networks - 3))
    assert math.atanh(found.correlation) - math.atanh(found.low) == pytest.approx(half)


def test_few_networks_and_equal_losses_tell_nothing() -> None:
    few = check_ranks(TRUTH.select([0, 1, 2, 35]), TRUTH)
    assert few.n_networks == 4
    assert {task.verdict for task in few.tasks} == {RankFinding.TOO_FEW}
    assert few.summary().startswith("Too few networks tell about early losses for task 0, ")
    equal = check_ranks(remade(TRUTH, np.ones_like(TRUTH.validation)), TRUTH)
    assert {task.verdict for task in equal.tasks} == {RankFinding.TOO_FEW}
    assert equal.within_tasks is None
    nothing = check_ranks(TRUTH.select([]), TRUTH)
    assert (nothing.n_networks, nothing.within_tasks) == (0, None)
    assert len(nothing.sentences()) == 6


def test_tables_with_their_tasks_in_another_order_are_compared_by_name() -> None:
    order = [4, 2, 0, 1, 3]
    turned = ScoreTable.from_arrays(
        tuple(TRUTH.tasks[t] for t in order),
        TRUTH.networks,
        TRUTH.seeds,
        TRUTH.validation_losses[:, order],
        TRUTH.test_losses[:, order],
    )
    assert {task.correlation for task in check_ranks(turned, TRUTH).tasks} == {1.0}


@pytest.mark.parametrize(("setting", "within"), [(1, 0.30), (3, 0.18)])
def test_the_published_early_losses_correlate_within_tasks_as_is_known(setting: int, within: float) -> None:
    if not TABLES.is_dir():
        pytest.skip(f"the published score tables are not at {TABLES}")
    stem = str(TABLES / f"setting{setting}")
    found = check_ranks(read_wide_csv(f"{stem}_esa.csv"), read_wide_csv(f"{stem}_val.csv"))
    assert found.within_tasks is not None
    assert round(found.within_tasks, 2) == within
    good = found.with_verdict(RankFinding.INFORMATIVE)
    assert good == (("semantic", "normals") if setting == 1 else ())


def test_a_fifth_of_the_epochs_ranks_the_networks_of_every_task_of_the_digits() -> None:
    table = open_table("digits")
    found = check_ranks(table.early, table.full)
    assert found.with_verdict(RankFinding.INFORMATIVE) == table.full.task_names
    assert all("over 17 networks" in task.sentence() for task in found.tasks)


def test_esa_says_at_its_end_what_its_early_losses_were_worth() -> None:
    found = run_to_the_end(get_strategy("esa"), TRUTH, OTHER)
    assert found.notes[-1].startswith("Too few networks tell")
    assert "chosen by their early losses" in found.notes[-1]
    checked = run_to_the_end(get_strategy("esa", {"check_networks": 30}), TRUTH, OTHER)
    assert checked.notes[-1].startswith("Early losses are not shown to rank those of task 0")
    assert "chosen by" not in checked.notes[-1]


def test_check_networks_are_trained_beside_the_chosen_ones_which_stay_the_same() -> None:
    plain = run_to_the_end(get_strategy("esa"), TRUTH, OTHER)
    checked = run_to_the_end(get_strategy("esa", {"check_networks": 6}), TRUTH, OTHER)
    assert plain.full < checked.full
    assert 1 <= len(checked.full - plain.full) <= 6
    again = run_to_the_end(get_strategy("esa", {"check_networks": 6}), TRUTH, OTHER, stops_inside=True)
    assert again.requests == checked.requests
    assert checked.full < run_to_the_end(get_strategy("esa", {"check_networks": 9}), TRUTH, OTHER).full
