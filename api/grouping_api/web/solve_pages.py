"""Pages that solve a score table: the curve over budgets, and the networks for one budget."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import HTMLResponse, StreamingResponse

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
from grouping_api.web.demands_form import DemandsQuery, FormReading, read_form
from grouping_api.web.rendering import Stream
from grouping_api.web.subjects import Subject, subject_of
from grouping_api.web.wording import listed

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/score-tables/{table_id}/curve", dependencies=[READ])
def curve_page(
    stream: Stream, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> StreamingResponse:
    """Show the best grouping for each budget under the demands, and for a requested budget."""
    subject = subject_of(table_id, queries)
    form = read_form(fields, subject.task_names)
    curve = solution = None
    if form.demands is not None:
        try:
            curve = queries.stepwise_curve(subject.info, form.demands)
            if form.budget is not None:
                solution = queries.solution(subject.info, form.budget, form.demands)
        except InvalidInputError as error:
            form = form.with_fault(error)
    return stream(
        "curve.html",
        status=422 if form.faults else 200,
        subject=subject,
        solving=None if curve is None or form.demands is None else _Solving(curve),
        budgets=() if curve is None else curve.budgets_snt,
        picture=lambda shown: Markup(curve_svg(shown, highlight_snt=form.budget, unit=form.unit)),
        form=form,
        solution=solution,
        here="curve",
    )


@dataclass
class _Solving:
    """Curve that is solved while its page is sent."""

    curve: StepwiseCurve
    fault: str = ""
    """Why it ended early; empty unless it did."""

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
    fault: str = ""


@dataclass(frozen=True)
class _NoAnswer:
    """What stands in its place: why there is none."""

    fault: str


@router.get("/score-tables/{table_id}/networks", dependencies=[READ])
def networks_page(
    stream: Stream, table_id: TableId, store: StoreDep, queries: TableQueriesDep, fields: DemandsQuery
) -> StreamingResponse:
    """Show the networks to train for one budget under the demands, and which task each of them serves."""
    subject = subject_of(table_id, queries)
    form = read_form(fields, subject.task_names)
    budgets: tuple[float, ...] = ()
    budget = None
    if form.demands is not None:
        try:
            if not form.demands.is_plain:
                queries.stepwise_curve(
                    subject.info, form.demands
                )  # says what is wrong before anything is sent
            budgets = queries.offered_budgets(subject.info, form.demands)
            budget = budgets[len(budgets) // 2] if form.budget is None else form.budget
        except InvalidInputError as error:
            form = form.with_fault(error)

    @functools.cache
    def solve() -> _Answer | _NoAnswer | None:
        if budget is None or form.demands is None:
            return None
        try:
            return _answer(queries, subject, form, form.demands, budget)
        except (InvalidInputError, SolverError) as error:
            return _NoAnswer(str(error))

    status = 422 if form.faults else 200
    if form.confidence and isinstance(answer := solve(), _Answer) and answer.noise_fault:
        form = form.with_note("noise", answer.noise_fault)  # stands at a field, which is sent first
    return stream(
        "networks.html",
        status=status,
        subject=subject,
        budget=budget,
        budgets=budgets,
        solve=solve,
        form=form,
        listed=listed,
        here="networks",
    )


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
