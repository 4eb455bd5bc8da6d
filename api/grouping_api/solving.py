"""A solve that is kept: one answer put together from the readings, and the files made of it."""

from __future__ import annotations

import csv
import io

from grouping.domain.groupings import Solution
from grouping.formats.cells import format_number, format_text
from grouping.solver import is_same_cost, relative_change
from grouping.store import Store, StoredGrouping, TableInfo
from grouping_api.readings import Readings
from grouping_api.schemas.common import finite
from grouping_api.schemas.explanations import ExplanationData
from grouping_api.schemas.groupings import GroupingOut, SolutionOut
from grouping_api.schemas.solving import GroupingRequest, pointing_below
from grouping_api.schemas.stored import (
    AlternativeOut,
    ChangeOut,
    ConfidenceOut,
    GroupingAnswerBody,
    StoredGroupingOut,
    TaskLossOut,
)


def solve_and_keep(
    store: Store, readings: Readings, info: TableInfo, request: GroupingRequest, idempotency_key: str | None
) -> tuple[StoredGrouping, bool]:
    """Solve a table as asked and store the answer; a repeated request is answered from the store.

    Returns:
        The grouping, and whether this call stored it.

    Raises:
        InvalidInputError: if the table does not have what is asked for.
        IdempotencyConflictError: if the key came before with another request.
    """
    digest = request.digest(info.id)
    if idempotency_key is not None:
        known = store.find_grouping_of_key(idempotency_key, digest)
        if known is not None:
            return known, False
    return store.add_grouping(
        info.id,
        revision=info.revision,
        request=request.model_dump(mode="json"),
        answer=answer_of(readings, info, request).model_dump(mode="json"),
        idempotency_key=idempotency_key,
        request_digest=digest,
    )


def answer_of(readings: Readings, info: TableInfo, request: GroupingRequest) -> GroupingAnswerBody:
    """Everything a stored grouping says."""
    budget = request.budget_snt
    table = readings.demanded(info, request)
    solution = readings.solution(info, budget, request)
    grouping = solution.grouping
    ranked = readings.ranked(info, budget, request.k, request) if grouping and request.k > 1 else None
    explanation = readings.explanation(info, budget, request)
    confidence = None
    if request.confidence is not None and grouping is not None:
        with pointing_below("/confidence"):
            confidence = ConfidenceOut.of(readings.confidence(info, budget, request.confidence, request))
    return GroupingAnswerBody(
        **SolutionOut.of(solution).model_dump(),
        task_losses=[] if grouping is None else TaskLossOut.list_of(grouping, table),
        baselines=changes(readings, info, request, solution),
        alternatives=[]
        if ranked is None
        else [
            AlternativeOut(
                rank=rank,
                loss=finite(loss),
                excess=finite(relative_change(loss, ranked.losses[0])) if ranked.losses[0] else None,
                grouping=GroupingOut.of(alternative),
            )
            for rank, (alternative, loss) in enumerate(
                zip(ranked.groupings, ranked.losses, strict=True), start=1
            )
        ],
        has_proven_alternatives=ranked is not None and ranked.is_proven,
        explanation=list(explanation.sentences()),
        explanation_data=ExplanationData.of(explanation),
        confidence=confidence,
    )


def changes(
    readings: Readings, info: TableInfo, request: GroupingRequest, solution: Solution
) -> list[ChangeOut]:
    """The grouping against choices that need no search."""
    found = readings.curve(info, (request.budget_snt,), request).baselines
    return [
        ChangeOut(
            name=baseline.name,
            cost_snt=baseline.cost_snt,
            loss=finite(baseline.loss),
            test_loss=finite(baseline.test_loss),
            change=None
            if solution.loss is None or not baseline.loss
            else finite(relative_change(solution.loss, baseline.loss)),
            is_equal_cost=None
            if solution.cost_snt is None
            else is_same_cost(solution.cost_snt, baseline.cost_snt),
        )
        for baseline in found
    ]


def grouping_csv(grouping: StoredGroupingOut) -> str:
    """A row per task. Text that a spreadsheet would compute begins with an apostrophe; numbers are exact."""
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
