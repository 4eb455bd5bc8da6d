"""Further inference costs of a score table."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.solver import explain, solve
from tests.tables import random_table


def with_latency(latency: list[float]) -> ScoreTable:
    table = random_table(0, 2)
    return ScoreTable.from_arrays(
        table.tasks,
        table.networks,
        table.seeds,
        table.validation_losses,
        table.test_losses,
        other_costs={"latency_ms": np.array(latency)},
    )


def test_a_selection_carries_the_costs_of_its_rows() -> None:
    table = with_latency([1, 2, 3, 4, 5])
    assert list(table.select([3, 1]).other_costs["latency_ms"]) == [4, 2]
    assert table != random_table(0, 2)
    assert table.with_weights({"task 0": 2.0}).other_costs["latency_ms"][4] == 5


@pytest.mark.parametrize("latency", [[1, 2], [1, 2, 3, 4, float("nan")], [1, 2, 3, 4, -1]])
def test_costs_that_are_missing_or_negative_are_refused(latency: list[float]) -> None:
    with pytest.raises(InvalidInputError, match="latency_ms"):
        with_latency(latency)


def test_a_table_can_be_priced_by_another_cost() -> None:
    table = with_latency([1, 2, 3, 4, 5]).priced_by("latency_ms")
    assert list(table.costs_snt) == [1, 2, 3, 4, 5]
    with pytest.raises(UnknownNameError, match="latency_ms"):
        table.priced_by("memory")


def test_a_network_is_read_back_from_its_name() -> None:
    for network in (Network.of("a b", "c"), Network.of("x", size=0.5)):
        assert Network.parse(network.name()) == network
    for name in ("", "a++b", "a@x", "a@-1", "a@nan"):
        with pytest.raises(InvalidInputError):
            Network.parse(name)


def test_what_is_said_names_the_cost_that_counts() -> None:
    table = with_latency([1, 2, 3, 4, 5]).priced_by("latency_ms")
    assert table.select([0, 1, 2]).cost_unit == "latency_ms"
    sentences = list(explain(table, solve(table, 7.0)).sentences())
    assert any("of 7 latency_ms" in sentence for sentence in sentences)
    assert any(sentence.startswith("A tenth of the budget (latency_ms) less") for sentence in sentences)
    assert not any("SNT" in sentence for sentence in sentences)
    why = solve(table, 1.0).infeasibility
    assert why is not None
    assert "cost 3 latency_ms" in why.reason
