"""Page of the affinity graph of a score table, and of clusterings compared with the exact grouping."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import HTMLResponse

from grouping.clustering import SAME, ClusteringOutcome
from grouping.domain.affinity import STANDS_OUT, AffinityMatrix
from grouping.domain.percentages import two_digit_percent
from grouping.errors import UnknownNameError
from grouping.plots import affinity_graph_svg
from grouping.plots.affinity_graph import DEFAULT_EFFECTS, shown, strongest_effects
from grouping.strategies.affinity.graph import communities
from grouping.use_cases.affinity import pair_plan, read_affinity, usual_method
from grouping_api.access import READ
from grouping_api.dependencies import StoreDep, TableId, TableQueriesDep, budget_of
from grouping_api.errors import InvalidParameterError
from grouping_api.web.affinity_view import offered_methods
from grouping_api.web.rendering import MINUS, Render
from grouping_api.web.subjects import subject_of
from grouping_api.web.wording import listed, plural

EFFECTS = (10, 20, DEFAULT_EFFECTS, 60, 120)
"""Numbers of effects that a user can choose to show."""
MOST_NAMED = 12
"""Number of tasks in communities above which communities are counted and not named."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/score-tables/{table_id}/graph", dependencies=[READ])
def graph_page(
    render: Render,
    table_id: TableId,
    store: StoreDep,
    queries: TableQueriesDep,
    method: Annotated[str | None, Query(max_length=50)] = None,
    effects: Annotated[str, Query(max_length=50)] = str(DEFAULT_EFFECTS),
    budget_snt: Annotated[str, Query(max_length=50)] = "",
) -> HTMLResponse:
    """Show the graph and clusterings beside the exact grouping; the default method is that of the matrix."""
    if effects not in map(str, EFFECTS):
        raise UnknownNameError("number of effects", effects, [str(number) for number in EFFECTS])
    subject = subject_of(table_id, queries)
    chosen = usual_method(queries, subject.info) if method is None else method
    matrix = read_affinity(queries, subject.info, chosen)
    fault = comparison = None
    budget = queries.usual_budget(subject.info)
    try:
        budget = (
            budget_of("budget_snt", budget_snt.strip().replace(",", ".")) if budget_snt.strip() else budget
        )
        comparison = queries.comparison(subject.info, matrix, budget)
    except InvalidParameterError as error:
        fault = str(error)
    return render(
        "graph.html",
        status=422 if fault else 200,
        subject=subject,
        matrix=matrix,
        picture=Markup(affinity_graph_svg(matrix, most=int(effects))),
        effects=strongest_effects(matrix, int(effects)),
        shown=shown,
        communities=_communities(matrix),
        statuses=[status for status, number in matrix.counts().items() if number],
        methods=offered_methods(queries, subject.info),
        n_effects=effects,
        choices=EFFECTS,
        budget=budget_snt or f"{budget:g}",
        fault=fault,
        comparison=comparison,
        plan=pair_plan(queries, subject.info, chosen),
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
    is_noise = np.abs(matrix.values) <= STANDS_OUT * matrix.standard_errors
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
