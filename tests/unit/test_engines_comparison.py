"""The engine of a job: which are compared, which is chosen, and what the comparison leaves as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.trainings.engines import LEAST_SEEDS, Engine, WorkSize
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.data import TrainingData
from grouping.training.engines import compare_engines, train_networks
from grouping.training.engines.comparison import MARGIN, SHORTEST_S, choose, estimate_s
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(6, 6), epochs=3, batch_size=24)
LEARNED = replace(RECIPE, sharing=Method("cross-stitch"))
DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
WORK = WorkSize(Network.of("class", "sum"), n_networks=3, n_seeds=2, n_epochs=10_000)
SEEDS = replace(WORK, n_seeds=LEAST_SEEDS)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_rule_stays_unless_another_engine_is_clearly_faster() -> None:
    vmap, sequential = Engine.VMAP, Engine.SEQUENTIAL
    assert choose(sequential, {vmap: 1.0, sequential: MARGIN * 0.99}).engine is sequential
    assert choose(sequential, {vmap: 1.0, sequential: MARGIN}).engine is vmap
    assert choose(sequential, {vmap: 1.0, sequential: 1.0}).engine is sequential
    assert choose(Engine.STACKED, {Engine.STACKED: 0.9, vmap: 0.8, sequential: 0.5}).engine is sequential


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (
            {Engine.STACKED: 0.18, Engine.SEQUENTIAL: 1.1},
            "6.1 times as fast as sequential: stacked 0.18, sequential 1.1 ms per training and gradient step",
        ),
        (
            {Engine.STACKED: 1.1, Engine.SEQUENTIAL: 1.0},
            "sequential is only 1.10 times as fast: sequential 1, stacked 1.1 ms per training and gradient "
            "step",
        ),
    ],
)
def test_the_reason_tells_the_figures(times: dict[Engine, float], reason: str) -> None:
    choice = choose(Engine.STACKED, times)
    assert (choice.engine, choice.reason) == (Engine.STACKED, reason)
    assert choice.step_ms == times


@pytest.mark.parametrize(
    ("recipe", "work", "compared"),
    [
        (RECIPE, WORK, {Engine.STACKED, Engine.SEQUENTIAL}),
        (RECIPE, SEEDS, {Engine.STACKED, Engine.VMAP, Engine.SEQUENTIAL}),
        (LEARNED, SEEDS, {Engine.VMAP, Engine.SEQUENTIAL}),
    ],
)
def test_every_engine_that_can_carry_the_work_out_is_measured(
    recipe: Recipe, work: WorkSize, compared: set[Engine]
) -> None:
    choice = compare_engines(DATA, work, recipe)
    assert set(choice.step_ms) == compared
    assert min(choice.step_ms.values()) > 0
    rule = Engine.STACKED if Engine.STACKED in compared else Engine.SEQUENTIAL
    assert choice == choose(rule, choice.step_ms)


@pytest.mark.parametrize(
    ("recipe", "work", "rule"),
    [
        (LEARNED, WORK, Engine.SEQUENTIAL),
        (replace(RECIPE, weighting=Method("uncertainty")), SEEDS, Engine.SEQUENTIAL),
        (RECIPE, replace(SEEDS, n_epochs=100), Engine.STACKED),
        (LEARNED, replace(SEEDS, n_epochs=100), Engine.SEQUENTIAL),
    ],
    ids=["few seeds", "cannot be vectorised", "short and stackable", "short"],
)
def test_nothing_is_measured_where_there_is_no_choice_or_little_to_gain(
    recipe: Recipe, work: WorkSize, rule: Engine
) -> None:
    choice = compare_engines(DATA, work, recipe)
    assert (choice.engine, choice.reason, choice.step_ms) == (rule, "", {})


def test_a_long_step_makes_a_job_long() -> None:
    wide = replace(RECIPE, hidden=(2048, 2048))
    work = replace(WORK, n_epochs=500)
    assert estimate_s(DATA, work, RECIPE) < SHORTEST_S < estimate_s(DATA, work, wide)


def test_a_comparison_changes_neither_the_data_nor_what_is_drawn_after_it() -> None:
    request = TrialRequest(WORK.network, 0)
    before = train_networks(DATA, [request], LEARNED)
    torch.manual_seed(5)
    compare_engines(DATA, SEEDS, LEARNED)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    after = train_networks(DATA, [request], LEARNED)
    assert [outcome.scores for outcome in after] == [outcome.scores for outcome in before]
