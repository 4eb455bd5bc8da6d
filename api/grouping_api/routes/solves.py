"""Solves of a score table that are answered and not kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from grouping.wire.groupings import CurveOut, GroupingAnswer
from grouping.wire.solving import CurveRequest, PairwiseRequest
from grouping_api.dependencies import ReadingsDep
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"], route_class=StrictJsonRoute)

_CURVE_EXAMPLES: dict[str, Any] = {
    "constraints": {
        "summary": "Three budgets under constraints",
        "value": {"budgets_snt": [1, 2, 3], "constraints": {"is_partition": True}, "objective": "relative"},
    }
}
_PAIRWISE_EXAMPLES: dict[str, Any] = {
    "budget": {"summary": "All groups of up to six tasks", "value": {"budget_snt": 3, "max_group_size": 6}}
}
_PROBLEMS = problem_responses(404, 413, 415, 422, 503)


@router.post(
    "/{table_id}/curve",
    operation_id="solveCurve",
    summary="The best grouping for each inference budget, under constraints",
    responses=_PROBLEMS,
)
def solve_curve_of(
    table_id: str,
    request: Annotated[CurveRequest, Body(openapi_examples=_CURVE_EXAMPLES)],
    readings: ReadingsDep,
) -> CurveOut:
    """Trains nothing and keeps nothing. Baselines and random groupings do not heed the constraints."""
    info = readings.info(table_id)
    return CurveOut.read(readings.curve(info, request.budgets_snt, request), table=info)


@router.post(
    "/{table_id}/pairwise-grouping",
    operation_id="solvePairwise",
    summary="The best grouping of all groups, estimated from singles and pairs",
    responses=_PROBLEMS,
)
def solve_pairwise_of(
    table_id: str,
    request: Annotated[PairwiseRequest, Body(openapi_examples=_PAIRWISE_EXAMPLES)],
    readings: ReadingsDep,
) -> GroupingAnswer:
    """The higher order approximation (HOA): a group's losses are the means of its pairs'.

    The groups are generated, not listed, so that twenty and more tasks can be solved. Losses are estimates:
    train the networks before relying on them. Past the time limit the answer is the best found, with its gap.
    """
    info = readings.info(table_id)
    return GroupingAnswer.read(readings.pairwise_solution(info, request), table=info)
