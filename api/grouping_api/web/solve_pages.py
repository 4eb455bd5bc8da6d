"""Pages that solve a score table: the curve over budgets, and the networks for one budget."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from grouping.domain.groupings import Solution
from grouping.errors import InvalidInputError, SolverError
from grouping.plots import curve_svg
from grouping.solver import Confidence, Explanation, Ranked, comparison_sentences
from grouping.use_cases.cells import served_tasks
from grouping.use_cases.stepwise_curve import StepwiseCurve
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.solving import Demands
from grouping.wire.stored_groupings import TaskLossOut
from grouping_api.access import READ
from grouping_api.dependencies import StoreDep, TableId, TableQueriesDep
from grouping_api.turns import IN_TURN_WHILE_SOLVED, TurnRoute
from grouping_api.web.demands_form import DemandsQuery, FormReading, read_form
from grouping_api.web.rendering import Later, Stream
from grouping_api.web.subjects import Subject, subject_of
from grouping_api.web.wording import listed

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, route_class=TurnRoute)


@router.get("/score-tables/{table_id}/curve", dependencies=[READ, IN_TURN_WHILE_SOLVED])
def curve_page(
    stream: Stream, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> Response:
    """Show the best grouping for each budget under the demands, and for a requested budget."""
    subject = subject_of(table_id, queries)
    form = _checked(queries, subject, read_form(fields, subject.task_names))
    demands, budget = form.demands, form.budget
    return stream(
        "curve.html",
        status=422 if form.faults else 200,
        subject=subject,
        solving=None
        if demands is None
        else Later(lambda: _Solving(queries.stepwise_curve(subject.info, demands))),
        picture=lambda shown: Markup(curve_svg(shown, highlight_snt=form.budget, unit=form.unit)),  # nosec B704 # SVG of our own, its texts escaped
        form=form,
        solved=None
        if demands is None or budget is None
        else Later(lambda: queries.solution(subject.info, budget, demands)),
        here="curve",
    )


def _checked(queries: TableQueries, subject: Subject, form: FormReading) -> FormReading:
    """Find what is wrong with demands on the table before anything is sent; without any there is nothing."""
    if form.demands is None or form.demands.is_plain:
        return form
    try:
        queries.stepwise_curve(subject.info, form.demands)
    except InvalidInputError as error:
        return form.with_fault(error)
    return form


@dataclass
class _Solving:
    """Curve that is solved while its page is sent."""

    curve: StepwiseCurve
    fault: str = ""
    """Why it ended early; empty unless it did."""

    @property
    def n_budgets(self) -> int:
        """Number of budgets that it is solved for."""
        return len(self.curve.budgets_snt)

    def steps(self) -> Iterator[int]:
        """Yield the number of solved budgets after each of them."""
        try:
            for number, _ in enumerate(self.curve.points(), start=1):
                yield number
        except SolverError as error:
            self.fault = str(error)


@dataclass(frozen=True)
class _Answer:
    """Content of the networks page for one budget; `noise_fault` says why its confidence is not known."""

    solution: Solution
    verdict: str | None
    comparisons: list[str]
    task_losses: list[TaskLossOut]
    ranked: Ranked | None
    reasons: list[str]
    reasons_by_task: dict[str, list[str]]
    confidence: Confidence | None = None
    noise_fault: str = ""


@router.get("/score-tables/{table_id}/networks", dependencies=[READ, IN_TURN_WHILE_SOLVED])
def networks_page(
    stream: Stream, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> Response:
    """Show the networks to train for one budget under the demands, and which task each of them serves."""
    subject = subject_of(table_id, queries)
    form = _checked(queries, subject, read_form(fields, subject.task_names))
    demands = form.demands
    of_job = () if demands is None else queries.budgets_of_job(subject.info, demands)

    def solve(budget: float) -> Later[_Answer] | None:
        return None if demands is None else Later(lambda: _answer(queries, subject, form, demands, budget))

    solve = functools.cache(solve)
    status = 422 if form.faults else 200
    budget = form.budget or _middle(of_job)
    if form.confidence and budget and (answer := solve(budget)) and answer.value and answer.value.noise_fault:
        form = form.with_note("noise", answer.value.noise_fault)  # stands at a field, which is sent first
    return stream(
        "networks.html",
        status=status,
        subject=subject,
        offered=None
        if demands is None
        else Later(lambda: of_job or queries.offered_budgets(subject.info, demands)),
        is_offered=demands is None or bool(of_job),
        budget=budget,
        middle=_middle,
        solve=solve,
        form=form,
        listed=listed,
        here="networks",
    )


def _middle(budgets: Sequence[float]) -> float | None:
    """Return the budget that is shown unless one is asked for."""
    return budgets[len(budgets) // 2] if budgets else None


def _answer(
    queries: TableQueries, subject: Subject, form: FormReading, demands: Demands, budget: float
) -> _Answer:
    info = subject.info
    solution = queries.solution(info, budget, demands)
    grouping = solution.grouping
    ranked = confidence = None
    noise_fault = ""
    if grouping is not None and form.n_alternatives > 1:
        ranked = queries.ranked(info, budget, form.n_alternatives, demands)
    if grouping is not None and form.confidence:
        try:
            confidence = queries.confidence(info, budget, form.confidence, demands)
        except InvalidInputError as error:
            noise_fault = str(error)
    return _Answer(
        solution,
        _verdict(queries, subject, solution, demands),
        list(comparison_sentences(solution, queries.curve_around(info, budget, demands), form.unit)),
        [] if grouping is None else served_tasks(grouping, queries.demanded(info, demands)),
        ranked,
        *_reasons(queries.explanation(info, budget, demands)),
        confidence,
        noise_fault,
    )


def _reasons(explanation: Explanation) -> tuple[list[str], dict[str, list[str]]]:
    """Separate the sentences on the whole grouping from those on each task."""
    by_task = {one.task: list(explanation.task_sentences(one.task)) for one in explanation.tasks}
    of_tasks = {sentence for sentences in by_task.values() for sentence in sentences}
    return [sentence for sentence in explanation.sentences() if sentence not in of_tasks], by_task


def _verdict(queries: TableQueries, subject: Subject, solution: Solution, demands: Demands) -> str | None:
    """Return the verdict in words; None with demands or for a budget that the job does not have."""
    job, sentences = subject.job, subject.job_sentences
    if job is None or sentences is None or not demands.is_plain or solution.grouping is None:
        return None
    if solution.budget_snt not in job.spec.budgets_snt:
        return None
    verdict = queries.verdict(job, subject.info, solution)
    return sentences.recommendation(solution, verdict)
