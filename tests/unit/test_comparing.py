"""A grouping against baselines in words: costs are named, and only equal ones are called equal."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.solver import (
    comparison_sentences,
    is_same_cost,
    plain_number,
    relative_change,
    solve,
    solve_curve,
)
from tests.tables import make_table, random_table


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budget", [1.0, 2.0, 3.0, 4.0, 7.3])
def test_every_comparison_names_both_costs_and_calls_equal_what_is(seed: int, budget: float) -> None:
    table = random_table(seed, 4)
    solution, curve = solve(table, budget), solve_curve(table, [budget])
    said = list(comparison_sentences(solution, curve))
    assert solution.loss is not None
    assert solution.cost_snt is not None
    costs = {baseline.name: baseline.cost_snt for baseline in curve.baselines}
    named = {next(name for name in sorted(costs, key=len, reverse=True) if name in s): s for s in said[:-1]}
    assert set(named) == set(costs)
    for baseline in curve.baselines:
        sentence = named[baseline.name]
        told = [float(cost) for cost in re.findall(r"([\d.]+) SNT", sentence)]
        if solution.cost_snt == pytest.approx(baseline.cost_snt, rel=1e-3):
            assert sentence.startswith("At the same cost")
            assert told == [pytest.approx(solution.cost_snt, rel=0.01)]
        else:
            assert sentence.startswith("Not at equal cost")
            assert told == pytest.approx([solution.cost_snt, baseline.cost_snt], rel=0.01)
        assert ("lower than" in sentence) == (solution.loss < baseline.loss * (1 - 1e-9))
    assert "within the same budget" in said[-1]


def test_without_a_grouping_nothing_is_compared() -> None:
    table = random_table(0, 3)
    singles = table.select([table.position(Network.of(name)) for name in table.task_names])
    assert list(comparison_sentences(solve(singles, 1.0), solve_curve(singles, [1.0]))) == []


def test_random_groupings_of_a_budget_are_the_same_beside_other_budgets() -> None:
    table = random_table(1, 4)
    alone, beside = solve_curve(table, [3.0]), solve_curve(table, [1.5, 2.0, 3.0])
    assert alone.points[-1].random == beside.points[-1].random is not None


def test_lower_is_lower_where_losses_are_negative() -> None:
    networks = (Network.of("a", size=0.5), Network.of("b", size=0.5), Network.of("a", "b"))
    losses = np.array([[-1.0, 0], [0, -1.0], [-0.5, -0.5]])
    table = make_table(networks, (Task("a"), Task("b")), losses)
    said = next(comparison_sentences(solve(table, 1.0), solve_curve(table, [1.0])))
    assert said == "At the same cost of 1 SNT the loss is 100 % lower than the -1 of all together."


LOSS = st.floats(-1e6, 1e6).filter(lambda loss: abs(loss) > 1e-6)


@given(LOSS, LOSS)
def test_a_relative_change_is_below_zero_exactly_where_the_loss_is_lower(loss: float, other: float) -> None:
    change = relative_change(loss, other)
    assert (change < 0, change > 0) == (loss < other, loss > other)
    assert abs(change) * abs(other) == pytest.approx(abs(loss - other))


@given(st.floats(1e-9, 1e15), st.floats(1.0, 1.01))
@example(1.0, 1.004)
@example(1_234_000.0, 1.002)
def test_costs_that_are_not_the_same_are_written_differently_and_nearly_exactly(
    cost: float, times: float
) -> None:
    other = cost * times
    assume(not is_same_cost(cost, other))
    assert plain_number(cost) != plain_number(other)
    for value in (cost, other):
        text = plain_number(value)
        assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-4)
        assert value >= 1e15 or "e" not in text


def test_small_and_large_numbers_are_written_out() -> None:
    values = (3e-5, 1.0, 0.25, 12.3456, 1_234_567.0, -0.5)
    assert list(map(plain_number, values)) == ["0.00003", "1", "0.25", "12.346", "1,234,600", "-0.5"]


def test_close_costs_and_small_losses_are_told_apart() -> None:
    networks = (
        Network.of("a", size=0.5),
        Network.of("b", size=0.5),
        Network.of("a", "b", cost_snt=1.004),
    )
    losses = np.array([[1e-5, 0], [0, 2e-5], [3e-5, 3e-5]])
    table = make_table(networks, (Task("a"), Task("b")), losses)
    said = next(comparison_sentences(solve(table, 1.0), solve_curve(table, [1.0])))
    assert said.startswith("Not at equal cost: the loss at 1 SNT is 50 % lower than the 0.00006 of ")
    assert said.endswith(" which costs 1.004 SNT.")
