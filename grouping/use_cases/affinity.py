"""Affinity matrices of a score table: which methods have values, and what would measure the others."""

from __future__ import annotations

from dataclasses import dataclass

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import DEFAULT_METHOD, METHODS, POSTERIOR, AffinityMethod
from grouping.domain.jobs.job import Job
from grouping.errors import NotMeasuredError, UnknownNameError
from grouping.store import TableInfo
from grouping.strategies.affinity.graph import cluster_order
from grouping.trainers import parameters_in_use, trainer_class
from grouping.use_cases.measure_pairs import PairPlan
from grouping.use_cases.table_queries import TableQueries

MOST_ESTIMATED = 60
"""Tasks beyond which affinities are not estimated unless somebody asks."""
ORDERS = ("input", "name", "cluster")
"""Orders in which the tasks of a matrix are shown, the same on both axes."""


@dataclass(frozen=True, slots=True)
class MethodOfTable:
    """Availability of an affinity method for one score table.

    Attributes:
        method: the affinity method.
        missing: why it has no values and what would measure them, in sentences; empty if it has values.
        is_offered: whether it is shown to users: it was measured, or the recipe of the table's job
            does not rule it out.
    """

    method: AffinityMethod
    missing: str
    is_offered: bool


def methods_of(queries: TableQueries, info: TableInfo) -> dict[str, MethodOfTable]:
    """Return the availability of every affinity method for a table, by the method's name."""
    job = None if info.job_id is None else queries.job(info)
    unasked = None if job is None else _measured_unasked(job)
    measured = queries.joint_affinities(info)
    found = {}
    for name, method in METHODS.items():
        is_known = method.is_from_table or (name in measured and measured[name].is_known)
        missing = "" if is_known else _how_to_measure(method, unasked)
        is_possible = method.needs_sharing is None or name in (unasked or ())
        found[name] = MethodOfTable(method, missing, is_known or is_possible)
    return found


def check_affinity(queries: TableQueries, info: TableInfo, method: str) -> None:
    """Refuse a method that has no values for a table; nothing is computed.

    Raises:
        UnknownNameError: if there is no such method.
        NotMeasuredError: if no joint run of the table measured it; the message says what would.
    """
    if method not in METHODS:
        raise UnknownNameError("affinity method", method, tuple(METHODS))
    if not METHODS[method].is_from_table and (missing := methods_of(queries, info)[method].missing):
        raise NotMeasuredError(f"{method} was not measured for this score table. {missing}")


def read_affinity(queries: TableQueries, info: TableInfo, method: str) -> AffinityMatrix:
    """Return the affinity matrix by one of `METHODS`; errors as `check_affinity`."""
    check_affinity(queries, info, method)
    if METHODS[method].is_from_table:
        return queries.table_affinity(info, method)
    return queries.joint_affinities(info)[method]


def usual_method(queries: TableQueries, info: TableInfo) -> str:
    """Return the default method; if it has no values for the table, the first method that has some.

    Of more than `MOST_ESTIMATED` tasks those that fit a model come last: it takes longer than a page may.
    """
    measured = [name for name, found in methods_of(queries, info).items() if not found.missing]
    if len(info.tasks) > MOST_ESTIMATED:
        measured.sort(key=lambda name: name in (DEFAULT_METHOD, POSTERIOR))
    known = (name for name in measured if read_affinity(queries, info, name).is_known)
    return next(known, DEFAULT_METHOD)


def pair_plan(queries: TableQueries, info: TableInfo, method: str) -> PairPlan | None:
    """Plan how to measure the pairs that a matrix lacks; None if none is missing or its method needs none."""
    return queries.pair_plan(info) if METHODS[method].is_of_pairs else None


def check_matrix_order(order: str) -> None:
    """Refuse an order that is not one of `ORDERS`.

    Raises:
        UnknownNameError: if there is no such order.
    """
    if order not in ORDERS:
        raise UnknownNameError("order", order, ORDERS)


def order_of(matrix: AffinityMatrix, order: str) -> tuple[int, ...]:
    """Return the positions of the tasks in one of `ORDERS`: as given, by name, or communities together.

    Raises:
        UnknownNameError: if there is no such order.
    """
    check_matrix_order(order)
    if order == "cluster":
        return cluster_order(matrix)
    if order == "name":
        return tuple(sorted(range(len(matrix.tasks)), key=lambda i: matrix.tasks[i].casefold()))
    return tuple(range(len(matrix.tasks)))


def _measured_unasked(job: Job) -> frozenset[str]:
    return trainer_class(job.spec.trainer).affinity_methods(parameters_in_use(job))


def _how_to_measure(method: AffinityMethod, unasked: frozenset[str] | None) -> str:
    """Explain in sentences what would measure a method of joint runs, or why nothing can.

    Args:
        method: a method that is not computed from the scores.
        unasked: methods that every training of the table's job measures; None for an imported table.
    """
    if method.needs_sharing is None:
        if unasked is None:
            return "They come from gradients, and an imported table holds scores only."
        return "A job with the strategy tag, cosine or first-order measures all three in one training."
    needed = f"It needs the sharing {method.needs_sharing}"
    if unasked is None:
        return f"{needed} in the recipe of a job, and an imported table holds scores only."
    if method.name not in unasked:
        return f"{needed} in the recipe of a job, and this job trains otherwise."
    return (
        "Every training of a network of several tasks measures it; this table has none yet, or only some "
        "from before it was measured."
    )
