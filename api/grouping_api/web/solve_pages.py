"""Pages that solve a score table: the curve over budgets, and the networks for one budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import HTMLResponse

from grouping.domain.groupings import Solution
from grouping.errors import InvalidInputError
from grouping.plots import curve_svg, grouping_svg
from grouping.solver import Confidence, Explanation, Ranked, comparison_sentences
from grouping.use_cases.cells import served_tasks
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.solving import Demands
from grouping.wire.stored_groupings import TaskLossOut
from grouping_api.access import READ
from grouping_api.dependencies import StoreDep, TableId, TableQueriesDep
from grouping_api.web.demands_form import DemandsQuery, FormReading, read_form
from grouping_api.web.rendering import Render
from grouping_api.web.subjects import Subject, subject_of
from grouping_api.web.wording import listed

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/score-tables/{table_id}/curve", dependencies=[READ])
def curve_page(
    render: Render, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> HTMLResponse:
    """Show the best grouping for each budget under the demands, and for a requested budget."""
    subject = subject_of(table_id, queries)
    form = read_form(fields, subject.task_names)
    curve = solution = None
    if form.demands is not None:
        try:
            curve = queries.curve(subject.info, None, form.demands)
            if form.budget is not None:
                solution = queries.solution(subject.info, form.budget, form.demands)
        except InvalidInputError as error:
            form = form.with_fault(error)
    return render(
        "curve.html",
        status=422 if form.faults else 200,
        subject=subject,
        curve=curve,
        picture=None
        if curve is None
        else Markup(curve_svg(curve, highlight_snt=form.budget, unit=form.unit)),
        has_solutions=curve is not None and any(point.solution.grouping for point in curve.points),
        form=form,
        solution=solution,
        names=_network_names,
        here="curve",
    )


@dataclass(frozen=True)
class _Answer:
    """Content of the networks page for one budget."""

    solution: Solution
    budgets: tuple[float, ...]
    verdict: str | None
    comparisons: list[str]
    task_losses: list[TaskLossOut]
    ranked: Ranked | None
    reasons: list[str]
    reasons_by_task: dict[str, list[str]]
    confidence: Confidence | None = None


@router.get("/score-tables/{table_id}/networks", dependencies=[READ])
def networks_page(
    render: Render, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> HTMLResponse:
    """Show the networks to train for one budget under the demands, and which task each of them serves."""
    subject = subject_of(table_id, queries)
    form = read_form(fields, subject.task_names)
    answer = None
    if form.demands is not None:
        try:
            answer = _answer(queries, subject, form)
        except InvalidInputError as error:
            form = form.with_fault(error)
    status = 422 if form.faults else 200
    if answer is not None and answer.solution.grouping and form.demands and form.confidence:
        try:
            budget = answer.solution.budget_snt
            found = queries.confidence(subject.info, budget, form.confidence, form.demands)
            answer = replace(answer, confidence=found)
        except InvalidInputError as error:
            form = form.with_note("noise", str(error))
    grouping = None if answer is None else answer.solution.grouping
    return render(
        "networks.html",
        status=status,
        subject=subject,
        answer=answer,
        solution=None if answer is None else answer.solution,
        grouping=grouping,
        picture=Markup(grouping_svg(grouping, unit=form.unit)) if grouping else None,
        form=form,
        names=_network_names,
        listed=listed,
        here="networks",
    )


def _answer(queries: TableQueries, subject: Subject, form: FormReading) -> _Answer:
    assert form.demands is not None
    info, demands = subject.info, form.demands
    if subject.job is not None and demands.cost is None:
        budgets = subject.job.spec.budgets_snt
    else:
        budgets = queries.budgets(info, demands)
    budget = budgets[len(budgets) // 2] if form.budget is None else form.budget
    solution = queries.solution(info, budget, demands)
    grouping = solution.grouping
    ranked = None
    if grouping is not None and form.n_alternatives > 1:
        ranked = queries.ranked(info, budget, form.n_alternatives, demands)
    return _Answer(
        solution,
        budgets,
        _verdict(queries, subject, solution, demands),
        list(comparison_sentences(solution, queries.curve(info, (budget,), demands), form.unit)),
        [] if grouping is None else served_tasks(grouping, queries.demanded(info, demands)),
        ranked,
        *_reasons(queries.explanation(info, budget, demands)),
    )


def _reasons(explanation: Explanation) -> tuple[list[str], dict[str, list[str]]]:
    """Separate the sentences on the whole grouping from those on each task."""
    by_task = {one.task: list(explanation.task_sentences(one.task)) for one in explanation.tasks}
    of_tasks = {sentence for sentences in by_task.values() for sentence in sentences}
    return [sentence for sentence in explanation.sentences() if sentence not in of_tasks], by_task


def _network_names(solution: Solution) -> tuple[str, ...]:
    grouping = solution.grouping
    return () if grouping is None else tuple(n.name(grouping.tasks) for n in grouping.networks)


def _verdict(queries: TableQueries, subject: Subject, solution: Solution, demands: Demands) -> str | None:
    """Return the verdict in words; None with demands or for a budget that the job does not have."""
    job, sentences = subject.job, subject.job_sentences
    if job is None or sentences is None or not demands.is_plain or solution.grouping is None:
        return None
    if solution.budget_snt not in job.spec.budgets_snt:
        return None
    verdict = queries.verdict(job, subject.info, solution)
    return sentences.recommendation(solution, verdict)
