"""Finished trainings, from a score table: what a search is told that others have trained."""

from __future__ import annotations

import numpy as np

from grouping.domain.tables.finished_results import FinishedResults, FinishedTraining, ResultValues
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError
from grouping.formats.assembly import ImportedTable


def results_of_table(
    imported: ImportedTable,
    *,
    source: str = "",
    told_by: str = "",
    values: ResultValues | None = None,
    data: str | None = None,
) -> FinishedResults:
    """Take the trainings out of a score table: one for each network and seed that has a value.

    Where the table has no seeds, neither have they. Its inference costs are not taken: the search measures
    its own.

    Args:
        imported: the table, as it was read.
        source: where it comes from, for people.
        told_by: who tells it, for people.
        values: meaning of the numbers; None if they mean the same either way.
        data: digest of the data; None if not known.

    Raises:
        InvalidInputError: if it has no value, or too many trainings.
    """
    table = imported.table
    names = table.task_names
    trainings = []
    for n, network in enumerate(table.networks):
        own = table.cells.of_row(n)
        group = tuple(names[t] for t in table.cells.columns[own].tolist())
        costs = {name: float(cost[n]) for name, cost in table.other_costs.items()}
        for s, seed in enumerate(table.seeds):
            validation = _finite(group, table.validation_scores[own, s])
            if validation:
                tested = _finite(group, table.test_scores[own, s])
                own_seed = int(seed) if imported.report.has_seeds else None
                trainings.append(FinishedTraining(group, validation, tested, network.size, own_seed, costs))
    if not trainings:
        raise InvalidInputError("The table has no network with a validation value, so it tells nothing.")
    return FinishedResults(tuple(trainings), source, told_by, values, data)


def _finite(group: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    """Return the finite values of a training by task."""
    return {task: float(value) for task, value in zip(group, values, strict=True) if np.isfinite(value)}
