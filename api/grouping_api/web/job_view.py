"""View of the page of a job, computed before the template is rendered."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.artefacts.finishing import Finish
from grouping.domain.jobs.job import Event, Job, JobState, Stop
from grouping.domain.jobs.sentences import JobSentences, Stated
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.domain.percentages import fixed_percent
from grouping.domain.trainings.ledgers import Amount
from grouping.domain.trainings.trials import Purpose, Trial, TrialState
from grouping.domain.verdicts.headroom import Headroom
from grouping.domain.verdicts.verdict import Comparison
from grouping.solver import Recommendation
from grouping.store import ProgressRow, Store
from grouping.use_cases.artefacts import kept_trials
from grouping.use_cases.headroom import headroom_of
from grouping.use_cases.job_notes import notes_of
from grouping.use_cases.job_outlook import Outlook, OutlookPhase, outlook_of
from grouping.use_cases.ledger import read_ledger
from grouping.use_cases.table_queries import TableQueries
from grouping.use_cases.task_values import TaskValues
from grouping_api.web.bundle_view import Bundles, view_bundles
from grouping_api.web.gain_bars import GainBar, gain_bars
from grouping_api.web.recommended import Recommended

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
    missed: str = ""
    """What may still be missed by stopping; empty where that was not said."""

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
    fault: str = ""


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
    phases: tuple[tuple[OutlookPhase, Bar], ...]
    outlook: Outlook
    running: tuple[Trial, ...]
    n_running: int
    failures: tuple[Failures, ...]
    spent: tuple[Spent, ...]
    saved: str
    events: tuple[Event, ...]
    last_event: int
    notes: tuple[str, ...]
    headroom: Mapping[float, Headroom]
    n_searched: int
    """Trainings of the search that have scores."""
    n_trained: int
    """Trainings that have scores."""
    is_shortened: bool
    """Whether there are trainings over a part of the epochs."""
    finishes: tuple[Finish, ...]
    """Bundles that the service was asked to make of it, the newest first."""
    kept_trials: tuple[Trial, ...]
    """Trainings of another trainer that told of an artefact, once the job has ended."""

    @property
    def is_finishing(self) -> bool:
        """Whether the service is making one."""
        return any(not finish.state.is_final for finish in self.finishes)

    @property
    def bars_by_purpose(self) -> tuple[tuple[str, tuple[Bar, ...]], ...]:
        """Bars under the title of their purpose, in the order of the job."""
        found = ((TITLES[p], tuple(bar for bar in self.bars if bar.purpose == p)) for p in Purpose)
        return tuple((title, bars) for title, bars in found if bars)

    @property
    def current(self) -> OutlookPhase | None:
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
        return refusal(JobVerb(verb), state, n_failed, n_trained=self.n_searched) is None

    @property
    def can_search_less(self) -> bool:
        """Whether there is a search to stop, and something to confirm after it."""
        is_searching = self.job.stop is None and self.job.state is not JobState.CONFIRMING
        return self.can(JobVerb.STOP) and is_searching and self.sentences.is_to_be_confirmed


@dataclass(frozen=True, slots=True)
class ChoicesView:
    """What a job recommends.

    Attributes:
        choices: a row for each budget.
        chosen: the one that is shown as a picture; None where none has a grouping.
        values: the tasks in their own units.
        held: the demands that all of them keep to, as phrases.
        not_held: demands that the scores do not allow to hold yet, as phrases.
        rank_check: how well short trainings rank the networks; empty without any.
        bundles: those of the job; None for none.
        n_older: number of trainings with scores that they rest on, where there are more by now; else None.
        fault: why they do not rest on all; empty where that was not tried.
    """

    choices: tuple[RecommendationRow, ...]
    chosen: RecommendationRow | None
    values: tuple[TaskValues, ...]
    held: tuple[str, ...]
    not_held: tuple[str, ...]
    rank_check: str
    bundles: Bundles | None
    n_older: int | None
    fault: str


def view_choices(
    view: JobView, recommended: Recommended, budget_snt: float | None = None, kept: str | None = None
) -> ChoicesView:
    """Build the view of what a job recommends.

    Args:
        view: view of the rest of its page.
        recommended: what it recommends.
        budget_snt: budget whose grouping is shown as a picture. Unless it is one of the job's, one that is
            worth it is shown, or the middle one of those with a grouping.
        kept: address of kept bundles; None where none are kept.
    """
    items = recommended.items
    choices = tuple(_choice(item, view.sentences, view.headroom) for item in items)
    return ChoicesView(
        choices=choices,
        chosen=_chosen(choices, budget_snt),
        values=recommended.values,
        held=items[0].held if any(item.solution.grouping for item in items) else (),
        not_held=items[0].not_held if items else (),
        rank_check=recommended.rank_check,
        bundles=view_bundles(kept, view.job, items, view.finishes, view.kept_trials),
        n_older=recommended.n_trained if items and recommended.n_trained < view.n_trained else None,
        fault=recommended.fault,
    )


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


def view_job(job: Job, store: Store, queries: TableQueries, recent: RecentEvents) -> JobView:
    """Build the view of the page of a job, but for what it recommends; nothing is solved.

    Each part is read by itself; no transaction spans them.

    Args:
        job: the job.
        store: store that holds it.
        queries: queries of its score table.
        recent: cache of its last events.
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
    info = queries.info(job.score_table_id)
    outlook = outlook_of(store, job, rows, ledger.charged, queries.expected_trainings(info))
    unhappy = store.trials(job.id, states=(TrialState.RUNNING, TrialState.DIVERGED, TrialState.FAILED))
    running = tuple(trial for trial in unhappy if trial.state is TrialState.RUNNING)
    events = recent.of(store, job.id)
    is_built_in = job.spec.trainer == DEFAULT_TRAINER
    return JobView(
        job=job,
        title=job.name,
        sentences=sentences,
        announcement=_announcement(sentences, outlook),
        bars=bars,
        phases=tuple((phase, _phase_bar(phase, rows)) for phase in outlook.phases),
        outlook=outlook,
        running=running[:N_RUNNING],
        n_running=len(running),
        failures=_failures(unhappy),
        spent=_spent(job, ledger.charged),
        saved=sentences.search(ledger.savings) if rows else "",
        events=events[::-1],
        last_event=events[-1].number if events else 0,
        notes=notes_of(job, rows, store.count_dispatchers()),
        headroom=headroom_of(store, job.id),
        n_searched=sum(row.succeeded for row in rows if row.purpose is Purpose.SEARCH),
        n_trained=sum(row.succeeded for row in rows),
        is_shortened=any(row.fidelity != 1 for row in rows),
        finishes=store.finishes(job.id) if job.state.is_final else (),
        kept_trials=() if is_built_in or not job.state.is_final else kept_trials(store, job),
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


def _phase_bar(phase: OutlookPhase, rows: Sequence[ProgressRow]) -> Bar:
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


def _choice(
    item: Recommendation, sentences: JobSentences, headroom: Mapping[float, Headroom]
) -> RecommendationRow:
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
    found = headroom.get(item.budget_snt)
    missed = "" if found is None else found.sentence
    return RecommendationRow(item, names, said, mark, sentences.tuned(item.tuned), missed)


def _failures(trials: Sequence[Trial]) -> tuple[Failures, ...]:
    counted = Counter(
        (trial.error or "no reason given", str(trial.state), _kind_of_failure(trial))
        for trial in trials
        if trial.state is not TrialState.RUNNING
    )
    return tuple(Failures(cause, n, state, fault) for (cause, state, fault), n in counted.most_common(10))


def _kind_of_failure(trial: Trial) -> str:
    """Return the class of what went wrong, where the state does not say it."""
    return str(trial.fault) if trial.state is TrialState.FAILED and trial.fault is not None else ""


def _spent(job: Job, ledger: Amount) -> tuple[Spent, ...]:
    limits = job.spec.training_budget
    return (
        Spent("trainings started", ledger.trainings, limits.trainings),
        Spent("epochs", ledger.epochs, limits.epochs),
        Spent("seconds", ledger.seconds or 0.0, limits.seconds),
    )
