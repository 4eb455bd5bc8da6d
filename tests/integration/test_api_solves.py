"""Solves over HTTP that are answered and not kept."""

from __future__ import annotations

import pytest

from grouping.domain.networks import list_candidates
from grouping.solver import solve
from grouping.store import Store
from grouping.strategies.paper.hoa import predict_higher_orders
from tests.integration.conftest import NAMES, Api, formula_table
from tests.integration.test_api_hostile import check_problem


@pytest.fixture
def address(store: Store) -> str:
    return f"/v1/score-tables/{store.import_table(formula_table(), 'by a formula')[0].id}"


def test_a_curve_under_constraints_heeds_them_at_every_budget(api: Api, address: str) -> None:
    asked = {"budgets_snt": [1, 2, 3], "constraints": {"max_group_size": 2}}
    curve = api.post(f"{address}/curve", json=asked).json()
    assert [point["budget_snt"] for point in curve["points"]] == [1, 2, 3]
    assert curve["points"][0]["status"] == "infeasible"
    for point in curve["points"][1:]:
        assert point["status"] == "optimal"
        assert all(len(network["group"]) <= 2 for network in point["grouping"]["networks"])
    plain = api.post(f"{address}/curve", json={}).json()
    assert plain == api.get(f"{address}/curve").json()


def test_all_groups_are_solved_from_singles_and_pairs(api: Api, address: str) -> None:
    table = formula_table()
    listed = predict_higher_orders(
        table.select([n for n, network in enumerate(table.networks) if len(network.group) <= 2]),
        list_candidates(NAMES, max_group_size=len(NAMES), single_sizes=(0.5,)),
    )
    expected = solve(listed, 1.0)
    answer = api.post(f"{address}/pairwise-grouping", json={"budget_snt": 1}).json()
    assert (answer["status"], answer["gap"]) == ("optimal", 0.0)
    assert answer["loss"] == pytest.approx(expected.loss)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("curve", {"budgets_snt": [0]}, "/budgets_snt/0"),
        ("curve", {"budgets_snt": []}, "/budgets_snt"),
        ("curve", {"constraints": {"apart": [["depth", "nothing"]]}}, "/constraints/apart"),
        ("pairwise-grouping", {}, "/budget_snt"),
        ("pairwise-grouping", {"budget_snt": 2, "max_networks": 0}, "/max_networks"),
        ("pairwise-grouping", {"budget_snt": 2, "apart": [["depth", "nothing"]]}, "/apart"),
        ("pairwise-grouping", {"budget_snt": 2, "is_partition": True}, "/is_partition"),
    ],
)
def test_a_bad_request_is_refused_with_a_pointer(
    api: Api, address: str, path: str, body: dict[str, object], pointer: str
) -> None:
    answer = api.post(f"{address}/{path}", json=body)
    check_problem(answer, 422)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_table_that_does_not_exist_is_not_found(api: Api) -> None:
    for path, body in (("curve", {}), ("pairwise-grouping", {"budget_snt": 1})):
        check_problem(api.post(f"/v1/score-tables/{'0' * 32}/{path}", json=body), 404)
