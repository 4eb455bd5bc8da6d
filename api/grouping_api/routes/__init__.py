"""The routes of the API, by resource."""

from grouping_api.routes import (
    budgets,
    catalogue,
    events,
    graph,
    groupings,
    imports,
    jobs,
    rank_checks,
    score_tables,
    solves,
    studies,
    system,
)

OF_JOBS = (jobs, budgets, rank_checks, events)
OF_TABLES = (score_tables, graph, imports, solves, groupings)
ROUTES = (*OF_JOBS, *OF_TABLES, studies, catalogue, system)
