"""Page of the affinity graph of a score table, and of clusterings compared with the exact grouping."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from grouping.clustering import MAX_CLUSTERED_TASKS, SAME, ClusteringOutcome
from grouping.domain.affinities.matrix import AffinityMatrix, Effect
from grouping.domain.affinities.status import CellStatus
from grouping.domain.percentages import two_digit_percent
from grouping.errors import UnknownNameError
from grouping.plots import affinity_graph_svg
from grouping.plots.affinity_graph import DEFAULT_EFFECTS, shown, strongest_effects
from grouping.strategies.affinity.graph import communities
from grouping.use_cases.affinity import check_affinity, pair_plan, read_affinity, usual_method
from grouping.use_cases.measure_pairs import PairPlan
from grouping_api.access import READ
from grouping_api.dependencies import StoreDep, TableId, TableQueriesDep, budget_of
from grouping_api.errors import InvalidParameterError
from grouping_api.turns import IN_TURN_WHILE_SENT, TurnRoute
from grouping_api.web.affinity_view import offered_methods
from grouping_api.web.rendering import MINUS, Later, Stream
from grouping_api.web.subjects import subject_of
from grouping_api.web.wording import listed, plural

EFFECTS = (10, 20, DEFAULT_EFFECTS, 60, 120)
"""Numbers of effects that a user can choose to show."""
MOST_NAMED = 12
"""Number of tasks in communities above which communities are counted and not named."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=TurnRoute)


@dataclass(frozen=True)
class _Graph:
    """What is shown of a matrix."""

    matrix: AffinityMatrix
    picture: Markup
    effects: tuple[Effect, ...]
    communities: str
    statuses: list[CellStatus]
    plan: PairPlan | None


@router.get("/score-tables/{table_id}/graph", dependencies=[READ, IN_TURN_WHILE_SENT])
def graph_page(
    stream: Stream,
    table_id: TableId,
    store: StoreDep,
    queries: TableQueriesDep,
    method: Annotated[str | None, Query(max_length=50)] = None,
    effects: Annotated[str, Query(max_length=50)] = str(DEFAULT_EFFECTS),
    budget_snt: Annotated[str, Query(max_length=50)] = "",
) -> Response:
    """Show the graph and clusterings beside the exact grouping; the default method is that of the matrix."""
    if effects not in map(str, EFFECTS):
        raise UnknownNameError("number of effects", effects, [str(number) for number in EFFECTS])
    subject = subject_of(table_id, queries)
    info = subject.info
    if method is not None:
        check_affinity(queries, info, method)
    fault = None
    budget = queries.usual_budget(info)
    try:
        if budget_snt.strip():
            budget = budget_of("budget_snt", budget_snt.strip().replace(",", "."))
    except InvalidParameterError as error:
        fault = str(error)

    def draw() -> _Graph:
        chosen = usual_method(queries, info) if method is None else method
        matrix = read_affinity(queries, info, chosen)
        return _Graph(
            matrix,
            Markup(affinity_graph_svg(matrix, most=int(effects))),  # nosec B704 # SVG of our own, its texts escaped
            strongest_effects(matrix, int(effects)),
            _communities(matrix),
            [status for status, number in matrix.counts().items() if number],
            pair_plan(queries, info, chosen),
        )

    graph = Later(draw)
    has_comparison = fault is None and len(info.tasks) <= MAX_CLUSTERED_TASKS
    return stream(
        "graph.html",
        status=422 if fault else 200,
        subject=subject,
        graph=graph,
        shown=shown,
        methods=offered_methods(queries, info),
        n_effects=effects,
        choices=EFFECTS,
        budget=budget_snt or f"{budget:g}",
        fault=fault,
        compared=Later(lambda: queries.comparison(info, graph.get().matrix, budget))
        if has_comparison
        else None,
        most_clustered=MAX_CLUSTERED_TASKS,
        difference=_difference,
        here="graph",
    )


def _communities(matrix: AffinityMatrix) -> str:
    """Name the communities that stand out from the noise, in a sentence; empty if there are none."""
    together = [group for group in communities(_clear(matrix)) if len(group) > 1]
    what = "help one another" if matrix.is_effect else "overlap more with one another"
    if sum(len(group) for group in together) > MOST_NAMED:
        return f"{plural(len(together), 'community', 'communities')} of tasks that {what}."
    return f"Tasks that {what}: {'; '.join(map(listed, together))}." if together else ""


def _clear(matrix: AffinityMatrix) -> AffinityMatrix:
    """Keep only pairs of which both effects stand out; others do not show that tasks help one another."""
    if not matrix.is_effect:
        return matrix
    is_noise = matrix.is_within_noise
    return replace(matrix, values=np.where(is_noise | is_noise.T, np.nan, matrix.values))


def _difference(outcome: ClusteringOutcome, exact_loss: float | None) -> str:
    """Describe how much higher the loss is than that of the exact grouping."""
    if outcome.difference is None or exact_loss is None:
        return "unknown"
    if abs(outcome.difference) <= SAME * abs(exact_loss):
        return "the same"
    sign = "+" if outcome.difference > 0 else MINUS
    absolute = f"{sign}{abs(outcome.difference):.4f}"
    if outcome.relative_difference is None:
        return absolute
    return f"{absolute} ({sign}{two_digit_percent(abs(outcome.relative_difference))})"
