"""Exports of what follows from a score table: affinities, their graph, the budget curve, the networks.

CSV, JSON and Parquet hold the same rows; SVG is the picture of the same thing.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.groupings import Grouping
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.errors import StateConflictError
from grouping.formats.cells import format_number, format_text
from grouping.formats.parquet_file import rows_to_parquet
from grouping.plots import affinity_graph_svg, affinity_heatmap_svg, curve_svg, grouping_svg
from grouping.solver import Curve
from grouping.store import TableInfo
from grouping.strategies.affinity.graph import communities
from grouping.use_cases.affinity import read_affinity
from grouping.use_cases.table_queries import TableQueries

Value = str | float | int | bool | None
Rows = Sequence[Mapping[str, Value]]

COLUMNS: Mapping[Exported, Mapping[str, type]] = {
    Exported.MATRIX: {
        "source": str,
        "target": str,
        "value": float,
        "standard_error": float,
        "n_networks": int,
        "status": str,
        "method": str,
    },
    Exported.GRAPH: {
        "source": str,
        "target": str,
        "value": float,
        "standard_error": float,
        "status": str,
        "is_within_noise": bool,
        "source_community": int,
        "target_community": int,
        "method": str,
    },
    Exported.CURVE: {
        "choice": str,
        "budget_snt": float,
        "status": str,
        "cost_snt": float,
        "loss": float,
        "test_loss": float,
        "is_dominated": bool,
        "networks": str,
    },
    Exported.NETWORKS: {
        "network": str,
        "size": float,
        "cost_snt": float,
        "serves": str,
        "only_trained_with": str,
    },
}
"""Columns of each view with their types; a file has them also where it has no rows."""


def export(
    queries: TableQueries,
    info: TableInfo,
    what: Exported,
    wanted: ExportFormat,
    *,
    method: str,
    budget_snt: float | None = None,
) -> bytes:
    """Write a view of a score table as a file; numbers are exact.

    Args:
        queries: queries of score tables.
        info: the table.
        what: the view.
        wanted: the format.
        method: affinity method of matrix and graph.
        budget_snt: inference budget of the networks; the middle one of the job unless given.

    Raises:
        UnknownNameError: if there is no such affinity method.
        NotMeasuredError: if the method was not measured for the table.
        StateConflictError: if no measured networks cover every task within the budget.
    """
    match what:
        case Exported.MATRIX:
            matrix = read_affinity(queries, info, method)
            return _written(what, _matrix_rows(matrix), affinity_heatmap_svg(matrix), wanted)
        case Exported.GRAPH:
            matrix = read_affinity(queries, info, method)
            return _written(what, _graph_rows(matrix), affinity_graph_svg(matrix), wanted)
        case Exported.CURVE:
            curve = queries.curve(info)
            return _written(what, _curve_rows(curve), curve_svg(curve), wanted)
        case Exported.NETWORKS:
            budget = queries.usual_budget(info) if budget_snt is None else budget_snt
            solution = queries.solution(info, budget)
            if solution.grouping is None:
                why = "" if solution.infeasibility is None else f" {solution.infeasibility.reason}"
                raise StateConflictError(f"There is no grouping within {budget:g} SNT to export.{why}")
            return _written(what, _network_rows(solution.grouping), grouping_svg(solution.grouping), wanted)


def _matrix_rows(matrix: AffinityMatrix) -> Rows:
    places = range(len(matrix.tasks))
    return [
        {
            "source": matrix.tasks[i],
            "target": matrix.tasks[j],
            "value": _number(matrix.values[i, j]),
            "standard_error": _number(matrix.standard_errors[i, j]),
            "n_networks": int(matrix.n_networks[i, j]),
            "status": str(matrix.status(i, j)),
            "method": matrix.method,
        }
        for i in places
        for j in places
        if i != j
    ]


def _graph_rows(matrix: AffinityMatrix) -> Rows:
    number = {task: n for n, group in enumerate(communities(matrix)) for task in group}
    return [
        {
            "source": effect.source,
            "target": effect.target,
            "value": float(effect.value),
            "standard_error": _number(effect.standard_error),
            "status": str(effect.status),
            "is_within_noise": bool(effect.is_within_noise),
            "source_community": number[effect.source],
            "target_community": number[effect.target],
            "method": matrix.method,
        }
        for effect in matrix.effects()
    ]


def _curve_rows(curve: Curve) -> Rows:
    best = [
        {
            "choice": "best",
            "budget_snt": float(point.solution.budget_snt),
            "status": str(point.solution.status),
            "cost_snt": _number(point.solution.cost_snt),
            "loss": _number(point.solution.loss),
            "test_loss": _number(point.test_loss),
            "is_dominated": point.is_dominated,
            "networks": _names(point.solution.grouping),
        }
        for point in curve.points
    ]
    baselines = [
        {
            "choice": baseline.name,
            "budget_snt": float(baseline.cost_snt),
            "status": "",
            "cost_snt": float(baseline.cost_snt),
            "loss": _number(baseline.loss),
            "test_loss": _number(baseline.test_loss),
            "is_dominated": None,
            "networks": "",
        }
        for baseline in curve.baselines
    ]
    return [*best, *baselines]


def _network_rows(grouping: Grouping) -> Rows:
    return [
        {
            "network": network.name,
            "size": float(network.size),
            "cost_snt": float(network.cost_snt),
            "serves": "+".join(network.serves),
            "only_trained_with": "+".join(network.helpers),
        }
        for network in grouping.chosen
    ]


def _names(grouping: Grouping | None) -> str:
    return "" if grouping is None else " ".join(network.name for network in grouping.chosen)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _written(what: Exported, rows: Rows, picture: str, wanted: ExportFormat) -> bytes:
    match wanted:
        case ExportFormat.SVG:
            return picture.encode()
        case ExportFormat.JSON:
            return (json.dumps(rows, allow_nan=False, ensure_ascii=False, indent=1) + "\n").encode()
        case ExportFormat.CSV:
            return _csv(COLUMNS[what], rows).encode()
        case ExportFormat.PARQUET:
            return rows_to_parquet(COLUMNS[what], rows)


def _csv(columns: Iterable[str], rows: Rows) -> str:
    """Write headings and rows; text that looks like a formula begins with an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return written.getvalue()


def _cell(value: Value) -> str:
    if isinstance(value, str):
        return format_text(value)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return str(value) if isinstance(value, int) else format_number(value)
