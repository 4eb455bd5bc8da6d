"""Stored groupings: solve a score table, store the answer, and export it."""

from __future__ import annotations

import csv
import io
from typing import Any

from grouping.domain.groupings import Grouping, Solution
from grouping.domain.networks import Network
from grouping.errors import StateConflictError, pointing_below
from grouping.formats.cells import format_number, format_text
from grouping.solver import Explanation, Ranked, is_same_cost, relative_change
from grouping.store import Store, StoredGrouping, TableInfo
from grouping.use_cases.cells import served_tasks
from grouping.use_cases.idempotency import FIRST_OF_GROUPING, counted, digest_of
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.explanations import ExplanationData
from grouping.wire.solving import ConfidenceIn, GroupingRequest
from grouping.wire.stored_groupings import (
    ChangeOut,
    ConfidenceOut,
    GroupingAnswerBody,
    StoredGroupingOut,
)


def solve_and_keep(
    store: Store,
    queries: TableQueries,
    info: TableInfo,
    request: GroupingRequest,
    idempotency_key: str | None,
) -> tuple[StoredGrouping, bool]:
    """Solve a table as asked and store the answer; a repeated request is answered from the store.

    Returns:
        The grouping, and whether this call stored it.

    Raises:
        InvalidInputError: if the table lacks what the request names.
        IdempotencyConflictError: if the key was used before with another request.
    """
    digest = digest_of([info.id, counted(request, FIRST_OF_GROUPING)])
    if idempotency_key is not None:
        known = store.find_grouping_of_key(idempotency_key, digest)
        if known is not None:
            return known, False
    return store.add_grouping(
        info.id,
        revision=info.revision,
        request=request.model_dump(mode="json"),
        answer=answer_of(queries, info, request).model_dump(mode="json"),
        idempotency_key=idempotency_key,
        request_digest=digest,
    )


def answer_of(queries: TableQueries, info: TableInfo, request: GroupingRequest) -> GroupingAnswerBody:
    """Compute the content of a stored grouping: losses, baselines, alternatives and explanation."""
    budget = request.budget_snt
    table = queries.demanded(info, request)
    solution = queries.solution(info, budget, request)
    grouping = solution.grouping
    ranked = queries.ranked(info, budget, request.k, request) if grouping and request.k > 1 else None
    explanation = queries.explanation(info, budget, request)
    confidence = None
    if request.confidence is not None and grouping is not None:
        with pointing_below("/confidence"):
            found = queries.confidence(info, budget, request.confidence, request)
            confidence = ConfidenceOut.read(found, tasks=table.task_names)
    return GroupingAnswerBody.read(
        solution,
        task_losses=[] if grouping is None else served_tasks(grouping, table),
        baselines=changes(queries, info, request, solution),
        alternatives=[] if ranked is None else alternatives(ranked),
        has_proven_alternatives=ranked is not None and ranked.is_proven,
        explanation=list(explanation.sentences()),
        explanation_data=explanation_data(explanation),
        confidence=confidence,
        held=list(queries.held(info, request)),
        findings=list(queries.findings(info, request)),
    )


def confidence_of(queries: TableQueries, kept: StoredGrouping, options: ConfidenceIn) -> ConfidenceOut:
    """Estimate how often a stored grouping stays the best under noise, if its table has not changed.

    Raises:
        StateConflictError: if the grouping is infeasible, or the table has changed.
        InvalidInputError: if the noise is neither given nor measured by seeds.
    """
    stored = StoredGroupingOut.read(kept)
    info = queries.info(stored.score_table_id)
    if stored.grouping is None:
        raise StateConflictError("The grouping is infeasible: there is no choice to try.")
    if info.revision != stored.revision:
        raise StateConflictError("The score table has changed since the grouping was solved. Solve it again.")
    found = queries.confidence(info, stored.budget_snt, options, stored.request)
    return ConfidenceOut.read(found, tasks=list(stored.grouping.serving))


def explanation_data(explanation: Explanation) -> ExplanationData:
    """Convert an explanation of the chosen networks to the data of an answer."""
    grouping = explanation.solution.grouping
    other_budgets = [other for other in (explanation.half_less, explanation.half_more) if other is not None]
    tasks = () if grouping is None else grouping.tasks
    return ExplanationData.read(explanation, tasks=tasks, other_budgets=other_budgets)


def alternatives(ranked: Ranked) -> list[dict[str, Any]]:
    """List the best groupings, each with the relative excess of its loss over the least."""
    best = ranked.losses[0]
    return [
        {
            "rank": rank,
            "loss": loss,
            "excess": relative_change(loss, best) if best else None,
            "grouping": grouping,
        }
        for rank, (grouping, loss) in enumerate(zip(ranked.groupings, ranked.losses, strict=True), start=1)
    ]


def changes(
    queries: TableQueries, info: TableInfo, request: GroupingRequest, solution: Solution
) -> list[ChangeOut]:
    """Compare the grouping with the baselines that need no search."""
    loss, cost = solution.loss, solution.cost_snt
    return [
        ChangeOut.read(
            baseline,
            change=None if loss is None or not baseline.loss else relative_change(loss, baseline.loss),
            is_equal_cost=None if cost is None else is_same_cost(cost, baseline.cost_snt),
        )
        for baseline in queries.curve_around(info, request.budget_snt, request).baselines
    ]


def grouping_of(stored: StoredGroupingOut) -> Grouping | None:
    """Convert a stored grouping to that of the domain; None if it is infeasible."""
    if stored.grouping is None:
        return None
    networks = tuple(Network(frozenset(n.group), n.size, n.cost_snt) for n in stored.grouping.networks)
    position = {item.name: n for n, item in enumerate(stored.grouping.networks)}
    serving = stored.grouping.serving
    return Grouping(tuple(serving), networks, tuple(position[name] for name in serving.values()))


def grouping_csv(grouping: StoredGroupingOut) -> str:
    """Write a grouping as CSV, a row per task; text that looks like a formula begins with an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["task", "served_by", "size", "cost_snt", "validation_loss", "test_loss", "trained_with"])
    networks = {} if grouping.grouping is None else {item.name: item for item in grouping.grouping.networks}
    for row in grouping.task_losses:
        network = networks[row.network]
        writer.writerow(
            [
                format_text(row.task),
                format_text(row.network),
                format_number(network.size),
                format_number(network.cost_snt),
                _number(row.validation_loss),
                _number(row.test_loss),
                format_text("+".join(task for task in network.group if task != row.task)),
            ]
        )
    return written.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else format_number(value)
