"""Comparison of two jobs: what was asked, what is recommended, what helps whom, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.sentences import JobSentences
from grouping.solver import Recommendation
from grouping.store import Store
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.comparisons import (
    AffinityChange,
    BudgetComparison,
    ChosenOut,
    FieldDifference,
    JobComparison,
)
from grouping.wire.jobs import JobOut, LedgerOut, SpecOut

_NO_CHANGE = 0.001
"""Changes of an affinity below this are not spoken of."""


def compare_jobs(store: Store, queries: TableQueries, a: Job, b: Job) -> JobComparison:
    """Compare two jobs; changes are the second minus the first. Nothing is trained."""
    both = [task for task in a.spec.tasks if task in b.spec.tasks]
    reasons = list(_obstacles(a, b))
    return JobComparison(
        a=JobOut.read(a),
        b=JobOut.read(b),
        differences=list(_differences(a, b)),
        tasks_in_both=both,
        only_a=[task for task in a.spec.tasks if task not in both],
        only_b=[task for task in b.spec.tasks if task not in both],
        budgets=_budgets(queries, a, b, are_alike=not reasons),
        spent_a=LedgerOut.read(store.ledger(a.id)),
        spent_b=LedgerOut.read(store.ledger(b.id)),
        affinity=_affinity(queries, a, b, both) if len(both) > 1 else None,
        notes=[*reasons, *_unfinished(a, b)],
    )


def _differences(a: Job, b: Job) -> Iterator[FieldDifference]:
    first, second = (dict(_flat("", SpecOut.read(job.spec).model_dump(mode="json"))) for job in (a, b))
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) != second.get(name):
            yield FieldDifference(field=name, a=first.get(name), b=second.get(name))


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _obstacles(a: Job, b: Job) -> Iterator[str]:
    """Say why the total losses of two jobs are different things; nothing where they compare."""
    if set(a.spec.tasks) != set(b.spec.tasks):
        yield "The jobs have different tasks, so the sums of their losses are different things."
    elif any(a.spec.weights.get(task) != b.spec.weights.get(task) for task in a.spec.tasks):
        yield "The weights of tasks differ, so the sums of their losses are different things."
    if a.spec.subject != b.spec.subject or _differ(a.data_digest, b.data_digest):
        yield "The jobs are on different data: their losses do not compare."
    if a.spec.definitions != b.spec.definitions:
        yield "The jobs define their tasks otherwise: their losses do not compare."


def _differ(a: str | None, b: str | None) -> bool:
    return a is not None and b is not None and a != b


def _unfinished(a: Job, b: Job) -> Iterator[str]:
    for name, job in (("first", a), ("second", b)):
        if not job.state.is_final:
            yield f"The {name} job is {job.state}: what is said of it is preliminary."


def _budgets(queries: TableQueries, a: Job, b: Job, *, are_alike: bool) -> list[BudgetComparison]:
    first, second = (_recommended(queries, job) for job in (a, b))
    found = []
    for budget in sorted({*first, *second}):
        of_a, of_b = first.get(budget), second.get(budget)
        change = None
        if are_alike and of_a is not None and of_b is not None and None not in (of_a.loss, of_b.loss):
            change = of_b.loss - of_a.loss  # type: ignore[operator]  # neither is None
        found.append(BudgetComparison(budget_snt=budget, a=of_a, b=of_b, loss_change=change))
    return found


def _recommended(queries: TableQueries, job: Job) -> dict[float, ChosenOut]:
    sentences = JobSentences.of(job)
    items = queries.recommendations(queries.info(job.score_table_id))
    return {item.budget_snt: _chosen(item, sentences) for item in items}


def _chosen(item: Recommendation, sentences: JobSentences) -> ChosenOut:
    solution, grouping = item.solution, item.solution.grouping
    return ChosenOut(
        networks=[] if grouping is None else [network.name(grouping.tasks) for network in grouping.networks],
        cost_snt=solution.cost_snt,
        loss=solution.loss,
        sentence=sentences.recommendation(solution, item.verdict),
    )


def _affinity(queries: TableQueries, a: Job, b: Job, tasks: list[str]) -> AffinityChange:
    first, second = (_values(queries, job, tasks) for job in (a, b))
    change = second - first
    known = np.abs(np.nan_to_num(change))
    if not (~np.isnan(change)).any():
        sentence = "No effect of a task on another is known in both jobs."
    elif known.max() < _NO_CHANGE:
        sentence = "Every effect that is known in both jobs is the same."
    else:
        i, j = np.unravel_index(int(known.argmax()), known.shape)
        word = "better" if change[i, j] > 0 else "worse"
        points = f"{100 * float(known[i, j]):.1f} points"
        sentence = f"The largest change: {tasks[i]} is {word} for {tasks[j]} in the second job, by {points}."
    return AffinityChange(method=DEFAULT_METHOD, tasks=tasks, values=change.tolist(), sentence=sentence)


def _values(queries: TableQueries, job: Job, tasks: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    matrix: AffinityMatrix = queries.table_affinity(queries.info(job.score_table_id), DEFAULT_METHOD)
    places = [matrix.tasks.index(task) for task in tasks]
    return matrix.values[np.ix_(places, places)]
