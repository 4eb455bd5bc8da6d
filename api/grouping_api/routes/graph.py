"""The affinity graph of a score table, and what clustering it would cost."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from grouping.clustering import ClusteringComparison, compare_clusterings
from grouping.domain.affinity import AffinityMatrix
from grouping.domain.affinity_methods import DEFAULT_METHOD
from grouping.domain.jobs import Job
from grouping.store import TableInfo
from grouping.strategies.affinity.graph import communities
from grouping.wire.base_types import Joined
from grouping.wire.graph import AffinityGraphOut
from grouping_api.dependencies import IfNoneMatch, ReadingsDep, StoreDep, budget_of
from grouping_api.errors import problem_responses
from grouping_api.readings import Readings
from grouping_api.routes.score_tables import NOT_MODIFIED, is_known, not_modified

USUAL_BUDGET_SNT = 2.0
"""The least budget at which there is anything to cluster."""

router = APIRouter(prefix="/v1/score-tables", tags=["score tables"])

_READ: dict[int | str, dict[str, Any]] = {**NOT_MODIFIED, **problem_responses(404, 409, 422)}


def usual_budget(job: Job | None) -> float:
    """The inference budget of the comparison unless one is asked for: the middle one of a job, or 2 SNT."""
    if job is None:
        return USUAL_BUDGET_SNT
    return job.spec.budgets_snt[len(job.spec.budgets_snt) // 2]


def comparison_of(
    readings: Readings, info: TableInfo, matrix: AffinityMatrix, budget_snt: float
) -> ClusteringComparison:
    """Clusterings of an affinity matrix beside the exact grouping, which is solved once per revision."""
    return compare_clusterings(readings.table(info), matrix, readings.solution(info, budget_snt))


@router.get(
    "/{table_id}/graph",
    operation_id="getAffinityGraph",
    summary="The affinity graph, and what clustering it would cost",
    response_model=AffinityGraphOut,
    responses=_READ,
)
def get_affinity_graph(
    table_id: str,
    response: Response,
    store: StoreDep,
    readings: ReadingsDep,
    method: Annotated[
        str,
        Query(
            max_length=50, description="How affinity is known; see `getAffinity`.", examples=[DEFAULT_METHOD]
        ),
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
    if_none_match: IfNoneMatch = None,
) -> AffinityGraphOut | Response:
    """Nodes with their communities, the known effects, and clusterings beside the exact grouping."""
    info = readings.info(table_id)
    matrix = readings.affinity(info, method)
    budget = None if not budget_snt else budget_of("budget_snt", budget_snt)
    if is_known(info, response, if_none_match):
        return not_modified(response)
    if budget is None:
        budget = usual_budget(store.find_job_of_table(info.id))
    number = {task: n for n, group in enumerate(communities(matrix)) for task in group}
    comparison = comparison_of(readings, info, matrix, budget)
    return AffinityGraphOut.read(
        Joined(comparison, matrix),
        budget_snt=comparison.exact.budget_snt,
        tasks=matrix.tasks,
        table=info,
        nodes=[{"task": task, "community": number[task]} for task in matrix.tasks],
    )
