"""The result of a training: what is taken, what is a divergence, and what is refused with which words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.trainings.trials import TaskScore, TrialState
from grouping.errors import TrainingError
from grouping.trainers.result_file import MAX_RESULT_BYTES, outcome_of, read_result

TASKS = ["a", "b"]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
LOSSES = st.fixed_dictionaries(dict.fromkeys(TASKS, FINITE))


@given(LOSSES, st.none() | LOSSES, st.none() | st.dictionaries(st.sampled_from(TASKS), FINITE))
def test_every_finite_number_arrives_in_the_score_of_its_task(
    validation: dict[str, float], test: dict[str, float] | None, metrics: dict[str, float] | None
) -> None:
    said = {"validation": validation, "test": test, "validation_metrics": metrics}
    for result in (said, json.dumps(said).encode()):
        outcome = outcome_of(result, TASKS, epochs=7)
        assert outcome.scores == tuple(
            TaskScore(task, validation[task], (test or {}).get(task), (metrics or {}).get(task))
            for task in TASKS
        )
        assert outcome.epochs == 7


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rows", ["validation", "test"])
def test_a_loss_that_is_not_finite_is_a_divergence_and_names_its_task(odd: float, rows: str) -> None:
    said = {"validation": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}, "epochs": 4}
    said |= {rows: {"a": 1, "b": odd}}
    outcome = outcome_of(json.dumps(said).encode(), TASKS)
    assert outcome.state is TrialState.DIVERGED
    assert outcome.epochs == 4
    assert f"The {rows} loss of 'b'" in (outcome.error or "")


def test_a_metric_that_is_not_a_number_counts_as_not_measured() -> None:
    outcome = outcome_of({"validation": {"a": 1, "b": 1}, "test_metrics": {"a": math.nan, "b": 0.5}}, TASKS)
    assert [score.test_metric for score in outcome.scores] == [None, 0.5]


def test_numbers_of_numpy_are_numbers() -> None:
    outcome = outcome_of({"validation": {"a": np.float32(0.5), "b": np.float64(0.25)}}, TASKS)
    assert [score.validation_loss for score in outcome.scores] == [0.5, 0.25]


def test_costs_artefact_and_affinities_are_part_of_the_outcome() -> None:
    affinities = {"values": {"tag": {"a": {"b": 0.5}}}, "n_steps": 3}
    outcome = outcome_of(
        {
            "validation": {"a": 1, "b": 1},
            "cost_snt": 0.75,
            "costs": {"latency_ms": 3.5},
            "artefact": "/kept/weights.pt",
            "affinities": affinities,
        },
        TASKS,
    )
    assert (outcome.cost_snt, outcome.costs, outcome.artefact) == (
        0.75,
        {"latency_ms": 3.5},
        "/kept/weights.pt",
    )
    assert outcome.affinities is not None
    assert outcome.affinities.n_steps == 3
    np.testing.assert_equal(outcome.affinities.values["tag"], [[np.nan, 0.5], [np.nan, np.nan]])


GOOD = {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "validation: Field required"),
        ({"validation": {"a": 1}}, "no loss of 'b'"),
        ({"validation": GOOD, "test": {"b": 1}}, "test has no loss of 'a'"),
        ({"validation": GOOD | {"c": 1}}, "names 'c'; the tasks of this network are 'a', 'b'"),
        ({"validation": GOOD, "test_metrics": {"c": 1}}, "test_metrics names 'c'"),
        ({"validation": GOOD, "tset": GOOD}, "unknown key 'tset'. Known: validation, test,"),
        ({"validation": {"a": None, "b": 1}}, "validation.a: Input should be a valid number"),
        ({"validation": GOOD, "epochs": -1}, "epochs: "),
        ({"validation": GOOD, "cost_snt": 0}, "cost_snt: "),
        ({"validation": GOOD, "costs": {"x": -1}}, "costs.x: "),
        ({"validation": GOOD, "affinities": {"values": {"guess": {}}}}, "does not measure guess"),
        ({"validation": GOOD, "affinities": {"values": {"tag": {"a": {"c": 1}}}}}, "names 'c'"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(said: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError) as refused:
        outcome_of(said, TASKS)
    assert words in str(refused.value)
    assert str(refused.value).startswith("result.json")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"validation": ' + "[" * 5000])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(TrainingError, match=r"^result\.json"):
        read_result(tmp_path, TASKS)


def test_a_file_without_measure_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "result.json").open("wb") as file:
        file.truncate(MAX_RESULT_BYTES + 1)
    with pytest.raises(TrainingError, match="larger than"):
        read_result(tmp_path, TASKS)
