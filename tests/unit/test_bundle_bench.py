"""What is measured of a bundle; no time is judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from grouping.bundle.bench import BUNDLE, BY_HAND, baselines_of, bench, trial_inputs
from grouping.bundle.pricing import LATENCY, with_latencies
from grouping.cli import app
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method
from grouping.errors import InvalidInputError
from grouping.formats import read_table
from tests.bundles import Made, made_of_arrays, tokens
from tests.unit.test_bundle_equality import DATASET, ENCODERS, RECIPE
from tests.unit.test_training_loop import TASKS

TABLE = """network,size,cost,task,seed,validation_loss
sum,1,1,sum,0,0.5
sign,1,1,sign,0,0.25
class+sum,1,1,class,0,0.25
class+sum,1,1,sum,0,0.125
class+sum+sign,1,1,class,0,0.5
class+sum+sign,1,1,sum,0,0.5
class+sum+sign,1,1,sign,0,0.5
"""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of_arrays(tmp_path_factory.mktemp("bundle"), DATASET, TASKS, RECIPE)


def test_a_bundle_is_measured_beside_its_networks_and_the_baselines(made: Made) -> None:
    found = bench(made.bundle, (1, 16), n_passes=3)
    assert [one.name for one in found.measured] == [BUNDLE, BY_HAND, "all together", "all alone"]
    for one in found.measured:
        assert [timing.batch for timing in one.timings] == [1, 16]
        assert all(0 < timing.p50_ms <= timing.p95_ms for timing in one.timings)
    # Two networks of 6 inputs, widths 10 and 8, without the head of the helper.
    stages = 2 * (6 * 10 + 10 * 8)
    assert found.measured[0].multiply_adds == stages + 8 * (3 + 1 + 1 + 4)
    assert found.measured[0].n_parameters == stages + 2 * 18 + 9 * 8 + 9
    assert found.weights_bytes == 4 * found.measured[0].n_parameters


def test_baselines_that_no_width_allows_are_left_out(made: Made) -> None:
    assert set(baselines_of(made.bundle.manifest)) == {"all together", "all alone"}
    small = replace(made.bundle.manifest, budget_snt=0.01)
    assert baselines_of(small) == {}


def test_inputs_are_tokens_where_the_encoder_reads_tokens(tmp_path: Path) -> None:
    parameters, widths, _ = ENCODERS["transformer"]
    recipe = replace(RECIPE, encoder=Method("transformer", parameters), hidden=widths)
    bundle = made_of_arrays(tmp_path, tokens(DATASET, 6), TASKS, recipe).bundle
    drawn = trial_inputs(bundle.manifest, 50)
    assert torch.equal(drawn, drawn.round())
    assert [int(drawn.min()), int(drawn.max())] == [1, 8]
    assert len(bench(bundle, (2,), n_passes=1).measured) >= 3


def test_what_cannot_be_measured_is_refused(made: Made) -> None:
    for batches, passes in (((), 1), ((0,), 1), ((1,), 0)):
        with pytest.raises(InvalidInputError, match="1 row or more"):
            bench(made.bundle, batches, passes)


def test_every_network_of_a_table_is_priced_by_what_it_takes_here(made: Made, tmp_path: Path) -> None:
    source, out = tmp_path / "scores.csv", tmp_path / "priced.csv"
    source.write_text(TABLE)
    done = CliRunner().invoke(
        app, ["bundle", "price", str(made.folder), str(source), "--out", str(out), "--passes", "3"]
    )
    assert done.exit_code == 0, done.output
    before, after = read_table(source).table, read_table(out).table
    assert "4 networks take" in done.output
    assert np.array_equal(after.validation, before.validation, equal_nan=True)
    assert [n.key for n in after.networks] == [n.key for n in before.networks]
    costs = {
        network.name(): cost for network, cost in zip(after.networks, after.other_costs[LATENCY], strict=True)
    }
    assert len(set(costs.values())) == 4
    assert 0 < min(costs.values()) <= max(costs.values()) < 10_000
    solved = CliRunner().invoke(app, ["solve", str(out), "--budget", "60s", "--json"])
    assert json.loads(solved.output)["cost_snt"] == pytest.approx(costs["class+sum"] + costs["sign"])


def test_latency_follows_the_size_of_the_network(made: Made) -> None:
    tasks = tuple(bundled.task for bundled in made.bundle.manifest.tasks)
    recipe = replace(RECIPE, hidden=(1500, 1500))
    networks = (Network.of("sum", size=0.01), Network.of("sum"))
    losses = np.full((2, 4, 1), np.nan)
    losses[:, [task.name for task in tasks].index("sum")] = 1.0
    table = ScoreTable.from_arrays(tasks, networks, (0,), losses)
    small, large = with_latencies(table, replace(made.bundle.manifest, recipe=recipe), 64, 3).other_costs[
        LATENCY
    ]
    assert small < large


def test_networks_that_are_built_alike_are_measured_once(made: Made) -> None:
    manifest, table = made.bundle.manifest, read_table(TABLE.encode()).table
    alike = tuple(
        replace(one, task=Task.regression("sign")) if one.task.name == "sign" else one
        for one in manifest.tasks
    )
    costs = with_latencies(table, replace(manifest, tasks=alike), 1, 3).other_costs[LATENCY]
    assert [network.name() for network in table.networks[:2]] == ["sum", "sign"]
    assert costs[0] == costs[1]
    assert len(set(costs.tolist())) == 3


def test_networks_that_the_bundle_cannot_build_are_refused(made: Made) -> None:
    table = read_table(TABLE.replace("sign", "other").encode()).table
    with pytest.raises(InvalidInputError, match="does not answer: other"):
        with_latencies(table, made.bundle.manifest)
    table = read_table(TABLE.encode()).table
    with pytest.raises(InvalidInputError, match="size"):
        with_latencies(
            replace(table, networks=(Network.of("sum", size=1e-9), *table.networks[1:])), made.bundle.manifest
        )
    for batch, passes in ((0, 1), (1, 0)):
        with pytest.raises(InvalidInputError, match="1 row or more"):
            with_latencies(table, made.bundle.manifest, batch, passes)


def test_the_commands_check_and_measure(made: Made) -> None:
    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["bundle", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "sound, 2 networks" in told("check", str(made.folder))
    assert json.loads(told("check", str(made.folder), "--json"))["is_exact"]
    words = ("bench", str(made.folder), "--batch", "2", "--passes", "2")
    assert "networks by hand" in told(*words)
    found = json.loads(told(*words, "--json"))
    assert found["resident_bytes"] > 50_000_000
    assert found["threads"] == 1
