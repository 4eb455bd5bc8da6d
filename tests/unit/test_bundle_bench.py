"""What is measured of a bundle; no time is judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from grouping.bundle.bench import BUNDLE, BY_HAND, baselines_of, bench, trial_inputs
from grouping.cli import app
from grouping.domain.recipes import Method
from grouping.errors import InvalidInputError
from tests.bundles import Made, made_of_arrays, tokens
from tests.unit.test_bundle_equality import DATASET, ENCODERS, RECIPE
from tests.unit.test_training_loop import TASKS

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
