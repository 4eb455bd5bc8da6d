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

# In the order of the description.
ROUTES = (
    jobs,
    budgets,
    rank_checks,
    events,
    score_tables,
    graph,
    imports,
    solves,
    groupings,
    studies,
    catalogue,
    system,
)
