"""Routes of the API, by resource."""

from grouping_api.routes import (
    budgets,
    bundles,
    catalogue,
    data_sets,
    events,
    exports,
    graph,
    groupings,
    imports,
    jobs,
    leases,
    results,
    score_tables,
    studies,
    system,
    tokens,
    trials,
)

OF_JOBS = (jobs, trials, results, budgets, bundles, events)
OF_TABLES = (score_tables, graph, imports, groupings, exports)
ROUTES = (*OF_JOBS, *OF_TABLES, leases, data_sets, studies, catalogue, tokens, system)
