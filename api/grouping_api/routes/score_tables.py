"""Score tables, and what is derived from them without any training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from grouping.domain.affinity_methods import DEFAULT_METHOD, METHODS
from grouping.domain.trials import Purpose
from grouping.store import Page, TableInfo
from grouping.strategies.affinity.graph import cluster_order
from grouping.wire.base_types import Joined
from grouping.wire.groupings import CurveOut, GroupingAnswer
from grouping.wire.scores import AffinityOut, ScoresOut, ScoreTableOut, ScoreTablePage
from grouping_api.affinity_order import order_of
from grouping_api.cells import cells_of
from grouping_api.dependencies import (
    IfNoneMatch,
    PageSize,
    PageToken,
    ReadingsDep,
    StoreDep,
    budget_of,
    budgets_of,
)
from grouping_api.errors import problem_responses
from grouping_api.version import program_version

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"])

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the answer with that ETag."}
}
_READ: dict[int | str, dict[str, Any]] = {**NOT_MODIFIED, **problem_responses(404, 422)}


def is_known(info: TableInfo, response: Response, if_none_match: str | None) -> bool:
    """Set the ETag, and tell whether the caller already has the answer.

    Everything below a table's address follows from its revision and the version of this program.
    """
    tag = f'W/"{program_version()}-{info.revision}"'
    response.headers["ETag"] = tag
    known = [part.strip() for part in (if_none_match or "").split(",")]
    return tag in known or "*" in known


def not_modified(response: Response) -> Response:
    """The empty answer to a caller that has it already."""
    return Response(status_code=304, headers={"ETag": response.headers["ETag"]})


@router.get(
    "",
    operation_id="listScoreTables",
    summary="List score tables, newest first",
    response_model=ScoreTablePage,
    responses=problem_responses(422),
)
def list_score_tables(store: StoreDep, page_size: PageSize, page_token: PageToken = None) -> Page[TableInfo]:
    """One page of score tables."""
    return store.list_tables(limit=page_size, after=page_token)


@router.get(
    "/{table_id}",
    operation_id="getScoreTable",
    summary="What a score table is",
    response_model=ScoreTableOut,
    responses=_READ,
)
def get_score_table(
    table_id: str, response: Response, readings: ReadingsDep, if_none_match: IfNoneMatch = None
) -> TableInfo | Response:
    """Its tasks and its revision."""
    info = readings.info(table_id)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    return info


@router.get(
    "/{table_id}/scores",
    operation_id="getScores",
    summary="Every cell of a score table",
    response_model=ScoresOut,
    responses=_READ,
)
def get_scores(
    table_id: str,
    response: Response,
    readings: ReadingsDep,
    purpose: Annotated[
        Purpose, Query(description="Trials that choices are made on, or those that confirm.")
    ] = Purpose.SEARCH,
    fidelity: Annotated[
        float, Query(gt=0, le=1, allow_inf_nan=False, description="Share of a full training.")
    ] = 1.0,
    if_none_match: IfNoneMatch = None,
) -> ScoresOut | Response:
    """Mean, standard error, number of seeds and the value of each seed, for validation and test."""
    info = readings.info(table_id)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    table = readings.table(info, purpose, fidelity)
    return ScoresOut.read(table, info=info, purpose=purpose, fidelity=fidelity, cells=cells_of(table))


@router.get(
    "/{table_id}/affinity",
    operation_id="getAffinity",
    summary="Which task helps which",
    response_model=AffinityOut,
    responses={**_READ, **problem_responses(409)},
)
def get_affinity(
    table_id: str,
    response: Response,
    readings: ReadingsDep,
    method: Annotated[
        str,
        Query(
            max_length=50,
            examples=[DEFAULT_METHOD],
            description="`estimate`, from whatever was trained; `pairwise` or `higher-order`, from full-size "
            "networks; `tag`, `cosine` or `first-order`, where a joint run measured them; `overlap`, in jobs "
            "whose recipe has the sharing `sparse` (409 `not_measured` otherwise).",
        ),
    ] = DEFAULT_METHOD,
    order: Annotated[
        str,
        Query(
            max_length=50, examples=["input"], description="Order of the tasks: `input`, `name` or `cluster`."
        ),
    ] = "input",
    if_none_match: IfNoneMatch = None,
) -> AffinityOut | Response:
    """Directed effect of every task on every other, or the overlap of their masks, with its noise.

    It says how each cell is known, what to beware of, and what would measure the rest.
    """
    info = readings.info(table_id)
    matrix = readings.affinity(info, method)
    matrix = matrix.reordered(order_of(matrix, order))
    if is_known(info, response, if_none_match):
        return not_modified(response)
    plan = readings.pair_plan(info, method)
    said = None if plan is None else plan.sentence(matrix.summary())
    return AffinityOut.read(
        matrix,
        table=info,
        described=METHODS[matrix.method],
        cluster_order=cluster_order(matrix),
        missing=None if plan is None else Joined(SimpleNamespace(sentence=said), plan),
    )


@router.get(
    "/{table_id}/curve",
    operation_id="getCurve",
    summary="The best grouping for each inference budget",
    response_model=CurveOut,
    responses=_READ,
)
def get_curve(
    table_id: str,
    response: Response,
    readings: ReadingsDep,
    budgets: Annotated[
        str | None,
        Query(
            max_length=2000,
            examples=["1,2.5"],
            description="Inference budgets in SNT, separated by commas; by halves from the cheapest that "
            "covers every task up to the number of tasks if left out.",
        ),
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> CurveOut | Response:
    """Validation and test loss over the budget, beside baselines that need no search."""
    info = readings.info(table_id)
    wanted = budgets_of("budgets", budgets)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    return CurveOut.read(readings.curve(info, wanted), table=info)


@router.get(
    "/{table_id}/grouping",
    operation_id="getGrouping",
    summary="The best grouping within one inference budget",
    response_model=GroupingAnswer,
    responses=_READ,
)
def get_grouping(
    table_id: str,
    response: Response,
    readings: ReadingsDep,
    budget_snt: Annotated[
        str, Query(max_length=50, examples=["2.5"], description="Inference budget in standard network times.")
    ],
    if_none_match: IfNoneMatch = None,
) -> GroupingAnswer | Response:
    """Solve once. That no grouping exists is an answer too: status `infeasible`, with the reason."""
    info = readings.info(table_id)
    budget = budget_of("budget_snt", budget_snt)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    return GroupingAnswer.read(readings.solution(info, budget), table=info)
