"""View of the page of a job, computed before the template is rendered."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.job_sentences import JobSentences, Stated
from grouping.domain.job_verbs import JobVerb, refusal
from grouping.domain.jobs import Event, Job, JobState, Stop
from grouping.domain.ledgers import Amount
from grouping.domain.percentages import fixed_percent
from grouping.domain.trials import Purpose, Trial, TrialState
from grouping.domain.verdicts import Comparison
from grouping.solver import Recommendation
from grouping.store import ProgressRow, Store
from grouping.use_cases.job_notes import notes_of
from grouping.use_cases.job_outlook import Outlook, Phase, outlook_of
from grouping.use_cases.ledger import read_ledger
from grouping.use_cases.table_queries import TableQueries
from grouping_api.web.gain_bars import GainBar, gain_bars
from grouping_api.web.task_values import TaskValues, task_values

N_EVENTS = 12
N_RUNNING = 12
_BATCH = 5000
_DONE_ALREADY = {
    (JobVerb.PAUSE, JobState.PAUSING),
    (JobVerb.PAUSE, JobState.PAUSED),
    (JobVerb.CANCEL, JobState.CANCELLING),
}
"""Verbs that are accepted in a state and change nothing."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Progress bar, with shares in percent in the order in which they are drawn."""

    label: str
    purpose: str
    total: int
    finished: int
    running: int
    succeeded_share: float
    bad_share: float
    running_share: float
    note: str
    free: str = ""
    """What of it was not trained here."""


TITLES: Mapping[Purpose, str] = {
    Purpose.SEARCH: "To choose",
    Purpose.CONFIRMATION: "To confirm, with fresh seeds",
    Purpose.TUNING: "To find a recipe for each",
    Purpose.TUNED: "To confirm under these, with fresh seeds",
}
"""Titles of the bars."""
_AIMS: Mapping[Purpose, str] = {
    Purpose.SEARCH: "to choose",
    Purpose.CONFIRMATION: "to confirm",
    Purpose.TUNING: "to find a recipe for each",
    Purpose.TUNED: "to confirm under these",
}


@dataclass(frozen=True, slots=True)
class RecommendationRow:
    """Row of the table of recommendations."""

    recommendation: Recommendation
    networks: tuple[str, ...]
    sentence: str
    mark: str
    """Mark of the sentence: ``good``, ``same``, ``poor``, ``open`` or ``none``."""
    tuned: str = ""

    @property
    def gains(self) -> tuple[GainBar, ...]:
        """Gains on fresh seeds over the baselines, to one scale; none unless all of them are known."""
        verdict = self.recommendation.verdict
        return () if verdict is None or not verdict.is_confirmed else gain_bars(verdict.comparisons)

    @property
    def tuned_rows(self) -> tuple[Comparison, ...]:
        """Comparisons with each at its best recipe, those with random groupings last."""
        verdict = self.recommendation.tuned
        if verdict is None:
            return ()
        return (*verdict.comparisons, *(() if verdict.random is None else (verdict.random,)))


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed trainings with the same cause."""

    cause: str
    n: int
    state: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Amount spent of one kind of training budget."""

    what: str
    amount: float
    limit: float | None

    @property
    def share(self) -> float | None:
        """Amount in percent of the limit, at most 100; None without a limit."""
        return None if self.limit is None else min(100.0, 100.0 * self.amount / self.limit)


@dataclass(frozen=True, slots=True)
class JobView:
    """Content of the page of a job."""

    job: Job
    title: str
    sentences: JobSentences
    announcement: str
    bars: tuple[Bar, ...]
    phases: tuple[tuple[Phase, Bar], ...]
    outlook: Outlook
    choices: tuple[RecommendationRow, ...]
    chosen: RecommendationRow | None
    """The one that is shown as a picture; None where none has a grouping."""
    running: tuple[Trial, ...]
    n_running: int
    failures: tuple[Failures, ...]
    spent: tuple[Spent, ...]
    saved: str
    rank_check: str
    events: tuple[Event, ...]
    last_event: int
    values: tuple[TaskValues, ...] = ()
    held: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    n_trained: int = 0

    @property
    def bars_by_purpose(self) -> tuple[tuple[str, tuple[Bar, ...]], ...]:
        """Bars under the title of their purpose, in the order of the job."""
        found = ((TITLES[p], tuple(bar for bar in self.bars if bar.purpose == p)) for p in Purpose)
        return tuple((title, bars) for title, bars in found if bars)

    @property
    def current(self) -> Phase | None:
        """The phase that goes on; the last one when all are over."""
        return self.outlook.now or (self.outlook.phases[-1] if self.outlook.phases else None)

    @property
    def stated(self) -> Stated:
        """What the job states beside its networks, budgets and seeds."""
        return Stated.of(self.job.spec)

    def can(self, verb: JobVerb) -> bool:
        """Return whether a verb is offered: it is possible, and would change something."""
        state = self.job.state
        if (verb, state) in _DONE_ALREADY or (verb == JobVerb.STOP and self.job.stop is Stop.ALL):
            return False
        n_failed = sum(failure.n for failure in self.failures if failure.state == TrialState.FAILED)
        return refusal(JobVerb(verb), state, n_failed, n_trained=self.n_trained) is None

    @property
    def can_search_less(self) -> bool:
        """Whether there is a search to stop, and something to confirm after it."""
        is_searching = self.job.stop is None and self.job.state is not JobState.CONFIRMING
        return self.can(JobVerb.STOP) and is_searching and self.sentences.is_to_be_confirmed


class RecentEvents:
    """Cache of the last events of jobs; each call reads only events newer than the last call."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Event]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, store: Store, job_id: str) -> tuple[Event, ...]:
        """Return the last events of a job, oldest first."""
        with self._lock:
            known = deque(self._kept.get(job_id, ()), maxlen=N_EVENTS)
        while True:
            events = store.events(job_id, after=known[-1].number if known else 0, limit=_BATCH)
            known.extend(events)
            if len(events) < _BATCH:
                break
        with self._lock:
            self._kept[job_id] = known
            self._kept.move_to_end(job_id)
            while len(self._kept) > 100:
                self._kept.popitem(last=False)
        return tuple(known)


def view_job(
    job: Job, store: Store, queries: TableQueries, recent: RecentEvents, budget_snt: float | None = None
) -> JobView:
    """Build the view of the page of a job. Each part is read by itself; no transaction spans them.

    Args:
        job: the job.
        store: store that holds it.
        queries: queries of its score table.
        recent: cache of its last events.
        budget_snt: budget whose grouping is shown as a picture. Unless it is one of the job's, one that is
            worth it is shown, or the middle one of those with a grouping.
    """
    sentences = JobSentences.of(job)
    rows = store.progress(job.id)
    ledger = read_ledger(store, job)
    free = {(r.purpose, r.group_size, r.size, r.fidelity): (r.reused, r.told) for r in ledger.rows}
    bars = tuple(
        _bar(
            row,
            _label(row),
            row.purpose,
            free.get((row.purpose, row.group_size, row.size, row.fidelity), (0, 0)),
        )
        for row in rows
    )
    outlook = outlook_of(store, job, rows, ledger.charged)
    unhappy = store.trials(job.id, states=(TrialState.RUNNING, TrialState.DIVERGED, TrialState.FAILED))
    running = tuple(trial for trial in unhappy if trial.state is TrialState.RUNNING)
    info = queries.info(job.score_table_id)
    recommended = queries.recommendations(info)
    choices = tuple(_choice(item, sentences) for item in recommended)
    events = recent.of(store, job.id)
    return JobView(
        job=job,
        title=job.name,
        sentences=sentences,
        announcement=_announcement(sentences, outlook),
        bars=bars,
        phases=tuple((phase, _phase_bar(phase, rows)) for phase in outlook.phases),
        outlook=outlook,
        choices=choices,
        chosen=_chosen(choices, budget_snt),
        running=running[:N_RUNNING],
        n_running=len(running),
        failures=_failures(unhappy),
        spent=_spent(job, ledger.charged),
        saved=sentences.search(ledger.savings) if rows else "",
        rank_check=queries.rank_check(info).summary() if any(r.fidelity != 1 for r in rows) else "",
        events=events[::-1],
        last_event=events[-1].number if events else 0,
        values=task_values(queries.table(info), recommended) if job.spec.definitions else (),
        held=recommended[0].held if any(item.solution.grouping for item in recommended) else (),
        not_held=recommended[0].not_held,
        notes=notes_of(job, rows),
        n_trained=sum(row.succeeded for row in rows if row.purpose is Purpose.SEARCH),
    )


def _label(row: ProgressRow) -> str:
    label = "single tasks" if row.group_size == 1 else f"groups of {row.group_size}"
    if row.size != 1:
        label += f", size {row.size:g}"
    if row.fidelity != 1:
        label += f", {fixed_percent(row.fidelity, 0)} of the epochs"
    return label


def _bar(row: ProgressRow, label: str, purpose: str, free: tuple[int, int] = (0, 0)) -> Bar:
    bad = row.diverged + row.failed
    total = row.planned + row.running + row.succeeded + bad  # a skipped training is planned no more
    reused, told = free
    notes = [
        f"{number:,} {word}"
        for number, word in (
            (bad, "failed"),
            (row.skipped, "skipped"),
        )
        if number
    ]

    def share(number: int) -> float:
        return round(100.0 * number / total, 2) if total else 0.0

    return Bar(
        label,
        purpose,
        total,
        total - row.planned - row.running,
        row.running,
        share(row.succeeded),
        share(bad),
        share(row.running),
        ", ".join(notes),
        ", ".join(f"{n:,} {word}" for n, word in ((reused, "reused"), (told, "from outside")) if n),
    )


def _phase_bar(phase: Phase, rows: Sequence[ProgressRow]) -> Bar:
    """Build the bar of a phase, as long as the most trainings that there will be."""
    names = ("planned", "running", "succeeded", "diverged", "failed", "skipped")
    own = [row for row in rows if row.purpose is phase.purpose]
    sums = {name: sum(getattr(row, name) for row in own) for name in names}
    sums["planned"] += phase.most - (phase.finished + sums["planned"] + sums["running"])
    return _bar(ProgressRow(phase.purpose, 0, 1.0, 1.0, **sums), TITLES[phase.purpose], phase.purpose)


def _announcement(sentences: JobSentences, outlook: Outlook) -> str:
    """Write a sentence for screen readers that changes at each tenth, not at each training."""
    now = outlook.now
    if sentences.state.is_final or now is None or not now.most:
        return f"{sentences.title}."
    tenths = now.finished * 10 // now.most
    return f"{sentences.title}, {tenths * 10} percent of the trainings {_AIMS[now.purpose]} done."


def _chosen(choices: Sequence[RecommendationRow], budget_snt: float | None) -> RecommendationRow | None:
    """Return the recommendation that is shown as a picture."""
    solved = [choice for choice in choices if choice.recommendation.solution.grouping is not None]
    asked = [choice for choice in solved if choice.recommendation.budget_snt == budget_snt]
    worth_it = [choice for choice in solved if choice.mark == "good"]
    return next(iter((*asked, *worth_it, *solved[len(solved) // 2 :])), None)


def _choice(item: Recommendation, sentences: JobSentences) -> RecommendationRow:
    grouping, verdict = item.solution.grouping, item.verdict
    names = () if grouping is None else tuple(n.name(grouping.tasks) for n in grouping.networks)
    if grouping is None:
        mark = "none"
    elif verdict is None or not verdict.is_confirmed:
        mark = "open"
    elif verdict.is_worth_it:
        mark = "good"
    else:
        mark = "same" if any(c.is_same for c in verdict.comparisons) else "poor"
    said = sentences.recommendation(item.solution, item.verdict)
    return RecommendationRow(item, names, said, mark, sentences.tuned(item.tuned))


def _failures(trials: Sequence[Trial]) -> tuple[Failures, ...]:
    counted = Counter(
        (trial.error or "no reason given", str(trial.state))
        for trial in trials
        if trial.state is not TrialState.RUNNING
    )
    return tuple(Failures(cause, n, state) for (cause, state), n in counted.most_common(10))


def _spent(job: Job, ledger: Amount) -> tuple[Spent, ...]:
    limits = job.spec.training_budget
    return (
        Spent("trainings started", ledger.trainings, limits.trainings),
        Spent("epochs", ledger.epochs, limits.epochs),
        Spent("seconds", ledger.seconds or 0.0, limits.seconds),
    )
