"""Budgets in units of time, and the cost of a table that they count in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.cli.options.cost_units import priced
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.formats import write_table
from grouping.formats.report import TableFormat
from grouping.solver import solve, solve_curve
from tests.tables import make_table, random_table


def table(**costs: list[float]) -> ScoreTable:
    """Networks of two tasks: each at two sizes, and both together; with further costs."""
    return replace(random_table(0, 2), other_costs={name: np.array(values) for name, values in costs.items()})


LATENCY = {"latency_ms": [1.0, 1.0, 2.0, 2.0, 3.0], "memory": [1.0, 1.0, 1.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("text", "budget"),
    [("5ms", 5), ("5", 5), (" 0.2 ms", 0.2), ("200us", 0.2), ("200 µs", 0.2), ("2s", 2000), ("1e-3S", 1)],
)
@pytest.mark.parametrize("cost", ["latency_ms", "latency"])
def test_a_time_is_converted_to_the_unit_that_the_cost_names(cost: str, text: str, budget: float) -> None:
    found, budgets = priced(table(**LATENCY), cost, [text])
    assert found.cost_unit == "latency_ms"
    assert budgets == (budget,)


def test_a_time_without_a_cost_counts_in_the_only_one_that_is_a_time() -> None:
    assert priced(table(**LATENCY), None, ["5ms"])[0].cost_unit == "latency_ms"
    assert priced(table(**LATENCY), None, ["5"])[0].cost_unit == "SNT"
    two = table(**LATENCY, cold_s=[1.0] * 5)
    with pytest.raises(InvalidInputError, match="2 costs of the table are one: name one"):
        priced(two, None, ["5ms"])
    assert priced(two, "cold", ["5ms", "1s"])[1] == (0.005, 1)
    with pytest.raises(InvalidInputError, match=r"0 costs .*: none\. grouping bundle price measures"):
        priced(table(), None, ["5ms"])


def test_what_is_no_budget_of_a_cost_is_refused() -> None:
    for text in ("", "ms", "-1", "0", "5 minutes", "1.2.3", "nan", "inf", "5ms5"):
        with pytest.raises(InvalidInputError, match="is no budget: write a positive number"):
            priced(table(**LATENCY), "latency", [text])
    with pytest.raises(InvalidInputError, match="says no unit of time"):
        priced(table(**LATENCY), "memory", ["5ms"])
    both = table(latency_ms=[1.0] * 5, latency_us=[1.0] * 5)
    with pytest.raises(UnknownNameError, match="latency_ms, latency_us"):
        priced(both, "latency", ["5ms"])


def test_the_commands_take_a_time_as_budget(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_bytes(write_table(table(**LATENCY), TableFormat.LONG_CSV))

    def told(*words: str) -> str:
        done = CliRunner().invoke(app, [*words])
        assert done.exit_code == 0, done.output
        return done.output

    solved = json.loads(told("solve", str(file), "--budget", "3ms", "--cost", "latency", "--json"))
    assert (solved["budget_snt"], solved["cost_snt"] <= 3) == (3, True)
    assert solved == json.loads(told("solve", str(file), "--budget", "0.003s", "--json"))
    curve = json.loads(told("curve", str(file), "--budget", "2ms", "--budget", "4000us", "--json"))
    assert [point["budget_snt"] for point in curve["points"]] == [2, 4]
    shown = told("curve", str(file), "--cost", "latency")
    assert "budget (latency_ms)" in shown
    even = json.loads(told("curve", str(file), "--cost", "latency", "--json"))["points"]
    assert even[0]["budget_snt"] == 2, "the cheapest cover"
    assert len(even) > 2


def test_a_curve_over_a_further_cost_ends_where_no_larger_budget_brings_anything() -> None:
    networks = (Network.of("a"), Network.of("b"), Network.of("a", "b"), Network.of("b", size=2.0))
    losses = np.array([[2.0, np.nan], [np.nan, 3.0], [1.0, 2.0], [np.nan, 1.0]])
    made = make_table(networks, (Task("a"), Task("b")), losses)
    dear = replace(made, other_costs={"latency_ms": np.array([1.0, 1.0, 5.0, 4.0])}).priced_by("latency_ms")
    last = solve_curve(dear).points[-1].solution
    assert last.budget_snt == 9, "beyond the cost of every task alone"
    assert last.loss == solve(dear, 1000.0).loss
