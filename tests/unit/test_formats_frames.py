"""Score tables as DataFrames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.errors import TableFormatError
from grouping.formats import from_frame, to_frame
from tests.tables import random_table


def test_a_table_becomes_a_long_frame_with_typed_columns() -> None:
    frame = to_frame(random_table(0, 2, 2))
    assert list(frame.columns) == ["network", "size", "cost", "task", "seed", "validation_loss", "test_loss"]
    assert len(frame) == 2 * (2 + 2 + 2)
    assert frame["seed"].dtype == "Int64"
    assert frame["validation_loss"].dtype == frame["size"].dtype == np.float64


def test_a_frame_without_its_attributes_keeps_the_numbers() -> None:
    table = random_table(0, 3).with_weights({"task 0": 2})
    frame = to_frame(table)
    assert from_frame(frame).table.tasks[0].weight == 2
    frame.attrs.clear()
    again = from_frame(frame)
    assert again.table == random_table(0, 3)
    assert again.report.format == "long_frame"


def test_a_filtered_and_shuffled_frame_is_a_table() -> None:
    frame = to_frame(random_table(0, 3, 2))
    some = frame[frame["network"] != "task 0"].sample(frac=1, random_state=1)
    imported = from_frame(some)
    assert imported.report.missing_groups == ("task 0",)
    assert imported.report.tasks == ("task 0", "task 1", "task 2")


def test_a_wide_frame_is_recognised_by_its_columns() -> None:
    frame = pd.DataFrame(
        {
            "network": ["x", "y"],
            "size": [1, 1],
            "cost": [1.0, 1.0],
            "cost:latency_ms": [3, 4],
            "a": [0.1, np.inf],
            "b": [None, 0.2],
        }
    )
    imported = from_frame(frame)
    assert imported.table.networks == (Network.of("a"), Network.of("a", "b"))
    assert imported.report.format == "wide_frame"
    assert imported.report.non_finite_cells == ("row 2, column a",)
    assert list(imported.table.other_costs["latency_ms"]) == [3, 4]


def test_gains() -> None:
    frame = pd.DataFrame({"network": ["a"], "task": ["a"], "validation_gain": [0.25]})
    table = from_frame(frame, values="gains").table
    assert table.validation.tolist() == [[0.75]]
    assert to_frame(table, values="gains")["validation_gain"].tolist() == [0.25]
    with pytest.raises(TableFormatError, match="contradicts"):
        from_frame(frame)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame(), "needs the columns network, size, cost"),
        (pd.DataFrame({"network": ["a"], "task": ["a"], "validation_loss": ["x"]}), "Row 1: .*not a number"),
        (pd.DataFrame({"network": ["a"], "task": ["a"], "validation_loss": [True]}), "Row 1: .*not a number"),
        (
            pd.DataFrame({"network": ["a"] * 2, "task": ["a", "b"], "validation_loss": [1, 1]}),
            "Row 2: task 'b'",
        ),
        (
            pd.DataFrame({"network": ["a"], "task": ["a"], "validation_loss": [1], "seed": [0.5]}),
            "whole number",
        ),
    ],
)
def test_a_broken_frame_is_refused_with_the_row(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        from_frame(frame)


def test_broken_attributes_are_refused() -> None:
    frame = to_frame(random_table(0, 1))
    frame.attrs["mtl_grouping_tasks"] = [{"name": "task 0", "weight": "heavy"}]
    with pytest.raises(TableFormatError, match="weight must be a finite number"):
        from_frame(frame)


def test_a_table_that_is_read_back_is_equal_in_its_tasks() -> None:
    table = random_table(0, 2)
    tasks = (Task.multiclass("task 0", 10), Task.regression("task 1"))
    typed = replace(table, tasks=tasks)
    assert from_frame(to_frame(typed)).table.tasks == tasks
