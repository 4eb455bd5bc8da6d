"""Sentences about the state and course of a job, all made from the same few facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Solution
from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.number_texts import number_text
from grouping.domain.percentages import percent
from grouping.domain.trainings.ledgers import Savings
from grouping.domain.verdicts.baselines import ComparedWith
from grouping.domain.verdicts.verdict import Verdict

_HINTS: Mapping[JobState, str] = {
    JobState.QUEUED: "waits for a dispatcher",
    JobState.PREPARING: "loads data and measures inference costs",
    JobState.RUNNING: "trains networks to search for the grouping",
    JobState.CONFIRMING: "trains chosen networks and baselines with fresh seeds",
    JobState.PAUSING: "begins no training; those under way are finished",
    JobState.PAUSED: "nothing is trained",
    JobState.CANCELLING: "stops what is in flight",
    JobState.SUCCEEDED: "the search is complete",
    JobState.FAILED: "could not go on; can be resumed",
    JobState.CANCELLED: "ended by a user; can be resumed",
}
_REASONS: Mapping[StopReason, str] = {
    StopReason.CONVERGED: "no further training was expected to improve the recommendation",
    StopReason.TRAINING_BUDGET_SPENT: "the training budget was spent; what was trained by then decides",
    StopReason.STOPPED_BY_USER: "stopped by a user; what was trained by then decides",
}
_UNCONFIRMED: Mapping[JobState, str] = {
    JobState.QUEUED: "Not confirmed yet: fresh seeds are trained after the search.",
    JobState.PREPARING: "Not confirmed yet: fresh seeds are trained after the search.",
    JobState.RUNNING: "Not confirmed yet: fresh seeds are trained after the search.",
    JobState.CONFIRMING: "Not confirmed yet: fresh seeds are being trained.",
    JobState.PAUSING: "Not confirmed yet: the job is being paused.",
    JobState.PAUSED: "Not confirmed yet: the job is paused.",
    JobState.CANCELLING: "Not confirmed: the job is being cancelled.",
    JobState.FAILED: "Not confirmed: the job failed before its confirmation was complete.",
    JobState.CANCELLED: "Not confirmed: the job was cancelled before its confirmation was complete.",
    JobState.SUCCEEDED: "Not confirmed: nothing has been trained with fresh seeds.",
}
_MORE: Mapping[JobState, str] = {
    JobState.QUEUED: "Networks will be trained when the job runs.",
    JobState.PREPARING: "Networks will be trained when the job runs.",
    JobState.RUNNING: "Networks are being trained.",
    JobState.CONFIRMING: "The search is over: only chosen networks and baselines are being trained.",
    JobState.PAUSING: "The job is being paused.",
    JobState.PAUSED: "The job is paused.",
    JobState.CANCELLING: "The job is being cancelled.",
    JobState.FAILED: "The job failed; resume it to train more.",
    JobState.CANCELLED: "The job was cancelled; resume it to train more.",
    JobState.SUCCEEDED: "The search is over.",
}
_UNPLANNED: Mapping[JobState, str] = {
    JobState.QUEUED: "Nothing is planned yet. A dispatcher takes the job, measures what each candidate "
    "costs, and plans the trainings.",
    JobState.PREPARING: "Nothing is planned yet: data are loaded and inference costs measured.",
}
"""Of a job without trainings; in every other state nothing was trained."""
_STOPPING: Mapping[Stop, str] = {
    Stop.SEARCH: "stopped by a user: no further network is trained to search",
    Stop.ALL: "stopped by a user: nothing more is trained",
}
_CUT_OFF: Mapping[StopReason, str] = {
    StopReason.TRAINING_BUDGET_SPENT: "The training budget was spent",
    StopReason.STOPPED_BY_USER: "The search was stopped",
}
"""Reasons for which a search succeeded before its own end."""
_ENDED: Mapping[JobState, str] = {
    JobState.FAILED: "The job failed",
    JobState.CANCELLED: "The job was cancelled",
}
_COMPARED: Mapping[ComparedWith, str] = {
    ComparedWith.BOTH: "all tasks in one network, and each task alone",
    ComparedWith.ALL_TOGETHER: "all tasks in one network, and nothing else",
    ComparedWith.ALL_ALONE: "each task alone, and nothing else",
    ComparedWith.NONE: "nothing: the loss on fresh seeds is told",
}


@dataclass(frozen=True, slots=True)
class Stated:
    """What a job states beside its networks, budgets and seeds, in words.

    Attributes:
        demands: its constraints, as phrases.
        compared_with: what its verdict compares with; empty where that is as usual.
        trainings: what it says of its trainings, as sentences.
    """

    demands: tuple[str, ...]
    compared_with: str
    trainings: tuple[str, ...]

    @classmethod
    def of(cls, spec: JobSpec) -> Stated:
        """Read it from the specification of a job."""
        is_usual = spec.compared_with is ComparedWith.BOTH
        return cls(
            tuple(spec.constraints.sentences()),
            "" if is_usual else _COMPARED[spec.compared_with],
            tuple(spec.training_terms.sentences()),
        )

    @property
    def sentences(self) -> list[str]:
        """All of it, in sentences; empty where all is as usual."""
        found = [f"Demanded: {'; '.join(self.demands)}."] if self.demands else []
        found += [f"The verdict compares with {self.compared_with}."] if self.compared_with else []
        return [*found, *self.trainings]


@dataclass(frozen=True, slots=True)
class JobSentences:
    """Sentences about the state and course of a job, with the facts that they are made from.

    Attributes:
        state: present state of the job.
        stop_reason: reason why it ended, once succeeded.
        is_to_be_confirmed: whether it asks for a confirmation on fresh seeds.
        kept_up: tasks that must be served no worse than alone.
        has_constraints: whether the job demands more of a grouping than its budget.
        is_taken: whether a dispatcher holds it.
        stop: what a user who stopped it wants no more of.
        n_missing: planned trainings without which it has succeeded.
    """

    state: JobState
    stop_reason: StopReason | None
    is_to_be_confirmed: bool
    kept_up: tuple[str, ...] = ()
    has_constraints: bool = False
    is_taken: bool = False
    stop: Stop | None = None
    n_missing: int = 0

    @classmethod
    def of(cls, job: Job) -> JobSentences:
        """Take the facts from a job."""
        kept_up = tuple(task.name for task in job.spec.definitions if task.must_not_worsen)
        is_to_be_confirmed = job.spec.n_confirmation_seeds > 0
        has_constraints = job.spec.constraints != Constraints()
        facts = (kept_up, has_constraints, job.is_taken, job.stop, job.missing.count)
        return cls(job.state, job.stop_reason, is_to_be_confirmed, *facts)

    @property
    def title(self) -> str:
        """The state in a word, with the mark of a job that does without some of its trainings."""
        return self.state.value.capitalize() + (", degraded" if self.n_missing else "")

    @property
    def has_searched(self) -> bool:
        """Whether the search came to its own end; only then are its savings final."""
        return self.state is JobState.SUCCEEDED and self.stop_reason not in _CUT_OFF

    @property
    def hint(self) -> str:
        """Explanation of the state, to follow its title."""
        hint = None if self.stop_reason is None else _REASONS.get(self.stop_reason)
        if self.stop is not None and not self.state.is_at_rest and self.state is not JobState.CANCELLING:
            return _STOPPING[self.stop]
        if self.state is JobState.QUEUED and self.is_taken:
            return "taken by a dispatcher, which starts what trains it"
        trainings = f"{self.n_missing:,} training{'s' * (self.n_missing != 1)}"
        return (hint or _HINTS[self.state]) + (f", without {trainings}" if self.n_missing else "")

    @property
    def unconfirmed(self) -> str:
        """Reason why a recommendation has no complete verdict on fresh seeds."""
        if not self.is_to_be_confirmed:
            return "Not confirmed: the job asks for no fresh seeds."
        return _UNCONFIRMED[self.state]

    @property
    def more(self) -> str:
        """Whether more networks are to be expected."""
        return _MORE[self.state]

    def recommendation(self, solution: Solution, verdict: Verdict | None) -> str:
        """Say what is recommended for an inference budget, and how far that is confirmed."""
        if solution.infeasibility is not None:
            is_over = self.state.is_final and not self.state.is_resumable
            demand = f" with {', '.join(self.kept_up)} no worse than alone" if self.kept_up else ""
            demand += ", under the constraints of the job" if self.has_constraints else ""
            waits = f"No trained networks cover every task within this budget{demand}. {self.more}"
            return solution.infeasibility.reason if is_over else waits
        if not self.kept_up:
            return self._judged(verdict)
        return f"{self._judged(verdict)} On the search seeds no worse than alone: {', '.join(self.kept_up)}."

    def tuned(self, verdict: Verdict | None) -> str:
        """Say what the verdict with each at its best recipe is; empty where nothing is tuned."""
        if verdict is None:
            return ""
        if verdict.is_confirmed or self.state is JobState.SUCCEEDED:
            so_far = "" if self.state.is_final else "So far: "
            return f"{so_far}{verdict.sentence()}"
        return "Recipes are not tuned to the end" + ("." if self.state.is_final else " yet.")

    def _judged(self, verdict: Verdict | None) -> str:
        if verdict is not None and verdict.is_confirmed:
            return verdict.sentence() if self.state.is_final else f"So far: {verdict.sentence()}"
        if verdict is not None and self.state is JobState.SUCCEEDED:
            return verdict.sentence()
        return self.unconfirmed

    @property
    def unplanned(self) -> str:
        """Sentence to show where there are no trainings."""
        otherwise = "Nothing was trained." if self.state.is_final else "Nothing is planned."
        return _UNPLANNED.get(self.state, otherwise)

    def search(self, made: Savings) -> str:
        """Say what the search has trained, and, if it came to its own end, what it has saved.

        Such as "21 of 36 networks trained in the search: 42 % of the epochs of an exhaustive one saved."
        """
        done = f"{made.networks:,} of {number_text(made.candidates)} networks "
        ways = ["trained", *(["copied"] if made.reused else []), *(["told"] if made.told else [])]
        done += " or ".join([", ".join(ways[:-1]), ways[-1]] if ways[1:] else ways)
        if self.has_searched:
            text = f"{done} in the search{_saved(made.share)}"
        elif self.state.is_final:
            reason = self.stop_reason if self.state is JobState.SUCCEEDED else None
            head = _CUT_OFF[reason] if reason is not None else _ENDED[self.state]
            text = f"{head} with {done}{_part(made)}"
        else:
            text = f"{done} so far"
        if made.reused:
            text += f", {made.reused:,} training{'s' if made.reused != 1 else ''} copied from other jobs"
        if made.told:
            text += f", {made.told:,} result{'s' if made.told != 1 else ''} from outside"
        return f"{text}."


def _saved(share: float | None) -> str:
    if share is None:
        return ""
    if share == 0:
        return ": as many epochs as an exhaustive one takes"
    if share < 0:
        return f": {percent(-share)} more epochs than an exhaustive one takes"
    return f": {percent(share)} of the epochs of an exhaustive one saved"


def _part(made: Savings) -> str:
    if not made.exhaustive.epochs or not made.trained.epochs:
        return ""
    part = percent(made.trained.epochs / made.exhaustive.epochs)
    return f" in {part} of the epochs of an exhaustive search"
