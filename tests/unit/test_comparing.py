"""A grouping against baselines in words: costs are named, and only equal ones are called equal."""

from __future__ import annotations

import re

import pytest

from grouping.domain.networks import Network
from grouping.solver import comparison_sentences, solve, solve_curve
from tests.tables import random_table


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
