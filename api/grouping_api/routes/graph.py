"""Route for the affinity graph of a score table, with clusterings beside the exact grouping."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.strategies.affinity.graph import communities
from grouping.use_cases.affinity import read_affinity
from grouping.use_cases.table_queries import USUAL_BUDGET_SNT
from grouping.wire.base_types import Joined
from grouping.wire.graph import AffinityGraphOut
from grouping_api.access import READ
from grouping_api.dependencies import AskedTableDep, TableQueriesDep, budget_of
from grouping_api.errors import problem_responses
from grouping_api.turns import IN_TURN, TurnRoute

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"], route_class=TurnRoute)


@router.get(
    "/{table_id}/graph",
    summary="Read the affinity graph, and compare clusterings with the exact grouping",
    responses=problem_responses(304, 404, 409, 422, 503),
    dependencies=[READ, IN_TURN],
)
def get_affinity_graph(
    asked: AskedTableDep,
    queries: TableQueriesDep,
    method: Annotated[
        str,
        Query(max_length=50, description="Affinity method; see `getAffinity`.", examples=[DEFAULT_METHOD]),
    ] = DEFAULT_METHOD,
    budget_snt: Annotated[
        str | None,
        Query(
            max_length=50,
            examples=["2"],
            description="Inference budget of the comparison in standard network times; if left out, the "
            f"middle one of the table's job, or {USUAL_BUDGET_SNT:g} for an imported table.",
        ),
    ] = None,
) -> AffinityGraphOut:
    """Return tasks with their communities, known effects, and clusterings beside the exact grouping."""
    matrix = read_affinity(queries, asked.info, method)
    budget = budget_of("budget_snt", budget_snt) if budget_snt else None
    info = asked.unless_known()
    number = {task: n for n, group in enumerate(communities(matrix)) for task in group}
    comparison = queries.comparison(info, matrix, budget)
    return AffinityGraphOut.read(
        Joined(comparison, matrix),
        budget_snt=comparison.exact.budget_snt,
        tasks=matrix.tasks,
        table=info,
        nodes=[{"task": task, "community": number[task]} for task in matrix.tasks],
    )
