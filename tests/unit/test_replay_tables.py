"""The score tables that come with the project: complete, optimal where stated, and made as they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from grouping.domain.costs import fits
from grouping.domain.networks import Network, list_candidates
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialRequest
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.formats import TableFormat, read_table, write_table
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.replay.making import train_table, write_trained
from grouping.replay.tables import ShippedTable, list_tables, open_table
from grouping.solver import solve
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.loop import train_network
from tests.tables import brute_force

TABLES = ("breast-cancer", "digits", "digits-8")
TOLERANCE = 1e-3
"""Processors differ in the last digits, which a training amplifies; a wrong recipe differs by percents."""


@pytest.fixture(params=TABLES)
def shipped(request: pytest.FixtureRequest) -> ShippedTable:
    return open_table(request.param)


def test_they_are_listed_by_name_and_another_name_is_refused() -> None:
    assert list_tables() == TABLES
    with pytest.raises(UnknownNameError, match="Known: breast-cancer, digits, digits-8"):
        open_table("digits-9")


def test_every_candidate_has_every_loss_with_every_seed(shipped: ShippedTable) -> None:
    names = [task.name for task in get_problem(shipped.name).tasks]
    candidates = list_candidates(names, max_group_size=len(names), single_sizes=(0.5,))
    for table in (shipped.full, shipped.early):
        assert list(table.task_names) == names
        assert {n.key for n in table.networks} == {n.key for n in candidates}
        for losses in (table.validation_losses, table.test_losses):
            assert np.array_equal(~np.isnan(losses).any(axis=2), table.membership)
    assert list(shipped.full.seeds) == shipped.about["seeds"]
    assert len(shipped.full.seeds) >= 3


def test_costs_are_those_that_are_measured(shipped: ShippedTable) -> None:
    problem = get_problem(shipped.name)
    n_features = problem.load(DATA_SEED).inputs.shape[1]
    networks = shipped.full.networks[:: max(1, len(shipped.full.networks) // 10)]
    costs = measure_costs(n_features, problem.tasks, networks, problem.recipe)
    assert [n.cost_snt for n in networks] == pytest.approx([cost.cost_snt for cost in costs])


def test_the_short_pass_is_worse_than_the_whole_training_on_the_whole(shipped: ShippedTable) -> None:
    assert np.nanmean(shipped.early.validation) > np.nanmean(shipped.full.validation)


def test_what_is_said_of_them_is_so(shipped: ShippedTable) -> None:
    problem = get_problem(shipped.name)
    about = shipped.about
    assert about["data_digest"] == problem.load(DATA_SEED).digest()
    assert Recipe.from_mapping(about["recipe"]) == problem.recipe
    assert about["trainings"] == len(shipped.full.networks) * len(shipped.full.seeds)
    assert about["diverged"] == 0
    assert about["early_fidelity"] == EARLY_FIDELITY
    assert {"command", "machine", "seconds", "versions"} <= set(about)


@pytest.mark.parametrize("name", ["breast-cancer", "digits"])
@pytest.mark.parametrize("budget", [1.0, 1.5, 2.0])
def test_the_optimum_is_that_of_trying_every_set_of_networks(name: str, budget: float) -> None:
    table = open_table(name).full
    solution = solve(table, budget)
    assert solution.loss == pytest.approx(brute_force(table, budget))
    assert fits(solution.require_grouping().cost_snt, budget)


def test_they_round_trip(shipped: ShippedTable) -> None:
    data = write_table(shipped.full, TableFormat.LONG_CSV)
    assert read_table(data, format=TableFormat.LONG_CSV).table == shipped.full


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("breast-cancer", (("malignant",), ("worst_area", "texture_grade", "radius_error"))),
        ("digits", (("loop", "rotation"), ("digit", "loop", "rotation", "edges", "occluder"))),
    ],
)
def test_training_two_of_their_networks_again_gives_the_stored_losses(
    name: str, groups: tuple[tuple[str, ...], ...]
) -> None:
    shipped, problem = open_table(name), get_problem(name)
    data = TrainingData.from_dataset(problem.load(DATA_SEED), problem.tasks)
    seed = 1
    for group in groups:
        for fidelity, table in ((1.0, shipped.full), (EARLY_FIDELITY, shipped.early)):
            row = table.position(Network.of(*group))
            outcome = train_network(data, TrialRequest(table.networks[row], seed, fidelity), problem.recipe)
            for score in outcome.scores:
                cell = (row, table.task_names.index(score.task), table.seeds.index(seed))
                stored = (table.validation_losses[cell], table.test_losses[cell])
                assert (score.validation_loss, score.test_loss) == pytest.approx(stored, rel=TOLERANCE)


def test_a_table_is_made_and_written_with_how_it_was_made(tmp_path: Path) -> None:
    trained = train_table("breast-cancer", [4], processes=1)
    write_trained(tmp_path, "breast-cancer", trained, "made by a test")
    stored = open_table("breast-cancer").full
    again = read_table(tmp_path / "breast-cancer.csv").table
    assert again.networks == stored.networks
    layer = stored.seeds.index(4)
    expected = stored.validation_losses[:, :, layer]
    assert again.validation_losses[:, :, 0] == pytest.approx(expected, rel=TOLERANCE, nan_ok=True)
    assert json.loads((tmp_path / "breast-cancer.json").read_text("utf-8"))["command"] == "made by a test"
    with pytest.raises(InvalidInputError):
        train_table("breast-cancer", [])
