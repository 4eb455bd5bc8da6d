"""What the store takes and gives beside the domain's own types: frozen, and never a row of the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from grouping.domain.jobs import Job
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trials import Purpose

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: in the order of the list.
        next_token: opaque; give it back as ``after`` for the next page. None on the last page.
    """

    items: tuple[T, ...]
    next_token: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one dispatcher to write to one job, until its lease ends or somebody else claims.

    Attributes:
        job: as it stood when it was claimed.
        owner: who claimed it.
        epoch: number of the claim within the job; results are accepted only under the latest.
        lease_s: seconds a renewal is good for.
    """

    job: Job
    owner: str
    epoch: int
    lease_s: float


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A measured candidate as it stands in a score table.

    Attributes:
        id: its identifier.
        network: with its measured ``cost_snt``.
        multiply_adds: multiply-add operations of one forward pass on one row; 0 where it was imported.
        widths: widths of its encoder's layers; empty where it was imported.
        latency_ms: milliseconds of such a pass on a worker, a median; None where it was not measured.
    """

    id: str
    network: Network
    multiply_adds: int
    widths: tuple[int, ...]
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """How many trials of one kind stand in which state."""

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
    """What a score table is, without its scores.

    Attributes:
        id: its identifier.
        name: a label for people; may be empty.
        tasks: the tasks with their weights, in display order.
        revision: grows with every change of what `Store.score_table` gives.
        created_s: when it was made, in seconds since 1970, UTC.
        job_id: the job that fills it; None for an imported table.
        cost_names: names of the further costs of its networks.
        report: what was understood when it was imported; None for a job's table, or where none was given.
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
    """A solve of a score table that was kept.

    Attributes:
        id: its identifier.
        table_id: the score table.
        revision: the revision of the table that it was solved on.
        created_s: when it was stored, in seconds since 1970, UTC.
        request: what was asked: budget, cost, constraints, weights, objective.
        answer: what was answered, as JSON.
    """

    id: str
    table_id: str
    revision: int
    created_s: float
    request: Mapping[str, Any]
    answer: Mapping[str, Any]

    @property
    def network_names(self) -> list[str]:
        """Names of the chosen networks; none where it is infeasible."""
        grouping = self.answer["grouping"]
        return [] if grouping is None else [network["name"] for network in grouping["networks"]]


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """What a study is, without its report.

    Attributes:
        id: its identifier.
        name: a label for people; may be empty.
        problem: name of the problem.
        tasks: names of its tasks, in order.
        n_seeds: seeds of every training.
        created_s: when it was stored, in seconds since 1970, UTC.
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
