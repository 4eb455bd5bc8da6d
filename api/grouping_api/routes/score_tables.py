"""Routes for score tables and results derived from them without any training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from grouping.domain.affinities.methods import DEFAULT_METHOD, METHODS
from grouping.domain.trainings.trials import Purpose
from grouping.store import Page, TableInfo
from grouping.strategies.affinity.graph import cluster_order
from grouping.use_cases.affinity import order_of, pair_plan, read_affinity
from grouping.use_cases.cells import cells_of
from grouping.wire.base_types import Joined
from grouping.wire.groupings import CurveOut, GroupingAnswer
from grouping.wire.scores import AffinityOut, ScoresOut, ScoreTableOut, ScoreTablePage
from grouping.wire.solving import CurveRequest, PairwiseRequest
from grouping_api.access import READ
from grouping_api.dependencies import (
    AskedTableDep,
    PageSize,
    PageToken,
    StoreDep,
    TableId,
    TableQueriesDep,
    budget_of,
    budgets_of,
)
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute
from grouping_api.turns import IN_TURN

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"], route_class=StrictJsonRoute)

_READ = problem_responses(304, 404, 422)
_COMPUTED = problem_responses(304, 404, 422, 503)
_CURVE_EXAMPLES: dict[str, Any] = {
    "constraints": {
        "summary": "Three budgets under constraints",
        "value": {"budgets_snt": [1, 2, 3], "constraints": {"is_partition": True}, "objective": "relative"},
    }
}
_PAIRWISE_EXAMPLES: dict[str, Any] = {
    "budget": {"summary": "All groups of up to six tasks", "value": {"budget_snt": 3, "max_group_size": 6}}
}
_SOLVED = problem_responses(404, 413, 415, 422, 503)


@router.get(
    "",
    summary="List score tables, newest first",
    response_model=ScoreTablePage,
    responses=problem_responses(422),
    dependencies=[READ],
)
def list_score_tables(store: StoreDep, page_size: PageSize, page_token: PageToken = None) -> Page[TableInfo]:
    """Return one page of score tables."""
    return store.list_tables(limit=page_size, after=page_token)


@router.get(
    "/{table_id}",
    summary="Read a score table",
    response_model=ScoreTableOut,
    responses=_READ,
    dependencies=[READ],
)
def get_score_table(table: AskedTableDep) -> TableInfo:
    """Return the description of a score table, such as its tasks and revision, without scores."""
    return table.unless_known()


@router.get(
    "/{table_id}/scores",
    summary="List every cell of a score table",
    responses=_COMPUTED,
    dependencies=[READ, IN_TURN],
)
def get_scores(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    purpose: Annotated[
        Purpose, Query(description="Trials of the search, on which choices are made, or of the confirmation.")
    ] = Purpose.SEARCH,
    fidelity: Annotated[
        float, Query(gt=0, le=1, allow_inf_nan=False, description="Share of a full training.")
    ] = 1.0,
) -> ScoresOut:
    """Return mean, standard error, number of seeds and value of each seed, for validation and test."""
    info = asked.unless_known()
    table = queries.table(info, purpose, fidelity)
    cells = cells_of(table, queries.metrics(info, purpose, fidelity))
    return ScoresOut.read(table, info=info, purpose=purpose, fidelity=fidelity, cells=cells)


@router.get(
    "/{table_id}/affinity",
    summary="Read the affinities between tasks",
    responses=problem_responses(304, 404, 409, 422, 503),
    dependencies=[READ, IN_TURN],
)
def get_affinity(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    method: Annotated[
        str,
        Query(
            max_length=50,
            examples=[DEFAULT_METHOD],
            description="`estimate` in pairs or `posterior` over all groups, from whatever was trained; "
            "`pairwise` or `higher-order`, from full-size networks; `tag`, `cosine` or `first-order`, where "
            "a joint run measured them; `overlap`, in jobs whose recipe has the sharing `sparse` (409 "
            "`not_measured` otherwise).",
        ),
    ] = DEFAULT_METHOD,
    order: Annotated[
        str,
        Query(
            max_length=50, examples=["input"], description="Order of the tasks: `input`, `name` or `cluster`."
        ),
    ] = "input",
) -> AffinityOut:
    """Return the directed effect of every task on every other, or the overlap of their masks, with noise.

    The answer says how each cell is known, what to beware of, and what would measure the rest.
    """
    matrix = read_affinity(queries, asked.info, method)
    matrix = matrix.reordered(order_of(matrix, order))
    info = asked.unless_known()
    plan = pair_plan(queries, info, method)
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
    summary="Find the best grouping for each inference budget",
    responses=_COMPUTED,
    dependencies=[READ, IN_TURN],
)
def get_curve(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    budgets: Annotated[
        str | None,
        Query(
            max_length=2000,
            examples=["1,2.5"],
            description="Inference budgets in SNT, separated by commas; if left out, in steps of a half from "
            "the cheapest that covers every task to the number of tasks.",
        ),
    ] = None,
) -> CurveOut:
    """Return validation and test loss over the budget, beside baselines that need no search."""
    wanted = budgets_of("budgets", budgets)
    info = asked.unless_known()
    said = {"held": queries.held(info), "findings": queries.findings(info)}
    return CurveOut.read(queries.curve(info, wanted), table=info, **said)


@router.get(
    "/{table_id}/grouping",
    summary="Find the best grouping within one inference budget",
    responses=_COMPUTED,
    dependencies=[READ, IN_TURN],
)
def get_grouping(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    budget_snt: Annotated[
        str, Query(max_length=50, examples=["2.5"], description="Inference budget in standard network times.")
    ],
) -> GroupingAnswer:
    """Solve for one inference budget; without a grouping the status is `infeasible`, with the reason."""
    budget = budget_of("budget_snt", budget_snt)
    info = asked.unless_known()
    said = {"held": queries.held(info), "findings": queries.findings(info)}
    return GroupingAnswer.read(queries.solution(info, budget), table=info, **said)


@router.post(
    "/{table_id}/curve",
    summary="Find the best grouping for each inference budget, under constraints",
    responses=_SOLVED,
    dependencies=[READ, IN_TURN],
)
def solve_curve(
    table_id: TableId,
    request: Annotated[CurveRequest, Body(openapi_examples=_CURVE_EXAMPLES)],
    queries: TableQueriesDep,
) -> CurveOut:
    """Solve for several inference budgets under constraints; nothing is trained or stored.

    Baselines and random groupings do not obey the constraints.
    """
    info = queries.info(table_id)
    curve = queries.curve(info, request.budgets_snt, request)
    said = {"held": queries.held(info, request), "findings": queries.findings(info, request)}
    return CurveOut.read(curve, table=info, **said)


@router.post(
    "/{table_id}/pairwise-grouping",
    summary="Find the best grouping of all groups, estimated from singles and pairs",
    responses=_SOLVED,
    dependencies=[READ, IN_TURN],
)
def solve_pairwise(
    table_id: TableId,
    request: Annotated[PairwiseRequest, Body(openapi_examples=_PAIRWISE_EXAMPLES)],
    queries: TableQueriesDep,
) -> GroupingAnswer:
    """Solve by the higher order approximation (HOA): a task's loss in a group is the mean over its pairs.

    The groups are generated, not listed, so that twenty and more tasks can be solved. Losses are estimates:
    train the networks before relying on them. Past the time limit the answer is the best found, with its gap.
    """
    info = queries.info(table_id)
    held = list(queries.pairwise_constraints(info, request).sentences())
    said = {"held": held, "findings": queries.pairwise_findings(info, request)}
    return GroupingAnswer.read(queries.pairwise_solution(info, request), table=info, **said)
