"""Records: frozen types that the store takes and returns, beside those of the domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: items of the page, in the order of the list.
        next_token: opaque token, to be passed as ``after`` for the next page; None on the last page.
    """

    items: tuple[T, ...]
    next_token: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one dispatcher to write to one job, until its lease ends or another claims the job.

    Attributes:
        job: the job in its state when it was claimed.
        owner: name of the dispatcher that claimed it.
        epoch: number of the claim within the job; writes are accepted only under the latest.
        lease_s: seconds for which a renewal is valid.
        is_lone: whether the job may be what ended earlier dispatchers, so that it is to be the only one.
    """

    job: Job
    owner: str
    epoch: int
    lease_s: float
    is_lone: bool = False


@dataclass(frozen=True, slots=True)
class AddedResults:
    """Answer to results that were told from outside.

    Attributes:
        added: number of trials that they added to the search.
        known: number of those that it had already, with the same values.
    """

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class TrialLease:
    """The right of one worker to train one trial and to report on it, until its lease ends.

    Attributes:
        token: secret of the lease, shown with all that is reported.
        worker: name of the worker.
        job: the job in its state when the trial was leased.
        trial_id: identifier of the trial.
        attempt: number of the attempt, from 1.
        request: what to train.
        epochs: epochs that it counts in a training budget.
        deadline_s: seconds after which the training is to be ended, as failed; None for no end.
        lease_s: seconds for which a renewal is valid.
        expires_s: time at which it ends unless renewed, in seconds since 1970, UTC.
    """

    token: str
    worker: str
    job: Job
    trial_id: str
    attempt: int
    request: TrialRequest
    epochs: int
    deadline_s: float | None
    lease_s: float
    expires_s: float

    @property
    def size_name(self) -> str:
        """Name of the size of the network; empty where it has none."""
        return self.job.spec.size_names.get(self.request.network.size, "")


@dataclass(frozen=True, slots=True)
class TrialWanted:
    """A worker that asks for a trial.

    Attributes:
        worker: name of the worker, for people.
        job_ids: jobs to take trials of; all when None.
        available: amounts that the worker has, by the names of `Resources.fit_into`; None to take any.
    """

    worker: str
    job_ids: tuple[str, ...] | None = None
    available: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class WaitingTrials:
    """Planned trials that hold the same.

    Attributes:
        resources: what each of them holds; None where nobody says it, and any worker will do.
        count: number of trials.
    """

    resources: Resources | None
    count: int


@dataclass(frozen=True, slots=True)
class TrialTold:
    """An outcome that a worker tells.

    Attributes:
        token: token of its lease.
        outcome: outcome of the training; a failure is final here, see `Store.fail_trial` for another attempt.
        measures_time: whether the seconds of the outcome are those since the lease began.
    """

    token: str
    outcome: TrialOutcome
    measures_time: bool = False


@dataclass(frozen=True, slots=True)
class Renewal:
    """Answer to a worker that renews a lease.

    Attributes:
        expires_s: time at which it ends unless renewed, in seconds since 1970, UTC.
        is_cancelled: whether the user asked to cancel the job; the training should end then.
    """

    expires_s: float
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class TrialReport:
    """Report of a training on the time since its last one.

    Attributes:
        points: points of its learning curves, in order.
        log: further text of its log.
    """

    points: tuple[Progress, ...] = ()
    log: str = ""


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A measured candidate of a score table.

    Attributes:
        id: identifier of the network in the database.
        network: the network with its measured ``cost_snt``.
        multiply_adds: multiply-add operations of one forward pass on one row; 0 where it was imported.
        widths: widths of its encoder's layers; empty where it was imported.
        latency_ms: median milliseconds of such a pass on a worker; None where it was not measured.
    """

    id: str
    network: Network
    multiply_adds: int
    widths: tuple[int, ...]
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class EventHead:
    """State of a job and the number of its last event, 0 without any."""

    state: JobState
    last_event: int


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """Number of trials of one kind in each state."""

    purpose: Purpose
    group_size: int
    size: float
    fidelity: float
    planned: int = 0
    running: int = 0
    succeeded: int = 0
    diverged: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class TableInfo:
    """Description of a score table, without its scores.

    Attributes:
        id: its identifier.
        name: a label for people; may be empty.
        tasks: the tasks with their weights, in display order.
        revision: number that grows with every change of the result of `Store.score_table`.
        created_s: time of its creation, in seconds since 1970, UTC.
        job_id: the job that fills it; None for an imported table.
        cost_names: names of the further costs of its networks.
        report: report on how it was understood when it was imported; None for a job's table, or without one.
    """

    id: str
    name: str
    tasks: tuple[Task, ...]
    revision: int
    created_s: float
    job_id: str | None
    cost_names: tuple[str, ...] = ()
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredGrouping:
    """A stored solve of a score table.

    Attributes:
        id: its identifier.
        table_id: the score table.
        revision: the revision of the table that was solved.
        created_s: time of storing, in seconds since 1970, UTC.
        request: the request: budget, cost, constraints, weights, objective.
        answer: the answer, as JSON.
    """

    id: str
    table_id: str
    revision: int
    created_s: float
    request: Mapping[str, Any]
    answer: Mapping[str, Any]

    @property
    def network_names(self) -> list[str]:
        """Names of the chosen networks; empty if infeasible."""
        grouping = self.answer["grouping"]
        return [] if grouping is None else [network["name"] for network in grouping["networks"]]


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """Description of a study, without its report.

    Attributes:
        id: its identifier.
        name: a label for people; may be empty.
        problem: name of the problem.
        tasks: names of its tasks, in order.
        n_seeds: number of seeds with which every network was trained.
        created_s: time of storing, in seconds since 1970, UTC.
    """

    id: str
    name: str
    problem: str
    tasks: tuple[str, ...]
    n_seeds: int
    created_s: float


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study with its report as JSON; see `grouping.study.records`."""

    info: StudyInfo
    report: Mapping[str, Any]
