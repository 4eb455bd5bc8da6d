"""Requests and answers by which workers anywhere lease trials and report on them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from annotated_types import Ge, Interval, Len, MaxLen
from pydantic import AliasPath, Field

from grouping.domain.tasks import MAX_NAME_LENGTH
from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.progress import MAX_VALUES
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.trainers.result_file import Result
from grouping.wire.base_types import Group, Input, NetworkLabel, Output, PlainText
from grouping.wire.derived import Derived, requested

MAX_WAIT_S = 60
MAX_JOBS = 100
MAX_POINTS = 500
MAX_TEXT = 64 * 1024

Seconds = Annotated[float, Interval(ge=0, le=1e9)]
WHAT_A_WORKER_HAS = (
    "What the worker has for one training; only trainings that fit are leased then. Memory that is not "
    "stated is not limited."
)


@requested(Resources, nested={})
class ResourcesIn(Input, Derived):
    """Resources of a worker for one training."""


class LeaseRequest(Input):
    """A worker that asks for a training."""

    worker: Annotated[PlainText, Len(1, 200)] = Field(description="Name of the worker, for people.")
    job_ids: Annotated[list[str], Len(1, MAX_JOBS)] | None = Field(
        default=None, description="Jobs to train for; any job whose trainer trains elsewhere if left out."
    )
    wait_s: Annotated[float, Interval(ge=0, le=MAX_WAIT_S)] = Field(
        default=0, description="Seconds to wait for a training where there is none."
    )
    resources: ResourcesIn | None = Field(default=None, description=WHAT_A_WORKER_HAS)


class WaitingRequest(Input):
    """A worker that asks what waits for workers, and what it lacks for it."""

    job_ids: Annotated[list[str], Len(1, MAX_JOBS)] | None = Field(
        default=None, description="Jobs to look at; any job whose trainer trains elsewhere if left out."
    )
    resources: ResourcesIn | None = Field(default=None, description=WHAT_A_WORKER_HAS)


class TooLargeOut(Output):
    """Trainings that wait and do not fit a worker."""

    trainings: int
    needs: str = Field(description="What each of them holds, for people.")
    lacks: list[str] = Field(description="What the worker has too little of, for people.")


class WaitingOut(Output):
    """What waits for workers, and what one of them lacks for it."""

    trainings: int = Field(description="Number of trainings that wait for a worker.")
    fitting: int = Field(description="Number of those that the worker has enough for.")
    too_large: list[TooLargeOut] = Field(description="The others, the most first.")
    sentence: str = Field(description="What the worker lacks, for people; empty where nothing is too large.")


class LeaseOut(Output):
    """A training, leased to the worker that asked."""

    token: str = Field(description="Secret of the lease, a part of the addresses to report to.")
    worker: str
    job_id: str = Field(validation_alias=AliasPath("job", "id"))
    trial_id: str
    attempt: int = Field(description="Counted from 1.")
    problem: str = Field(validation_alias=AliasPath("job", "spec", "problem"))
    network: NetworkLabel = Field(validation_alias=AliasPath("request", "network"))
    tasks: Group = Field(
        validation_alias=AliasPath("request", "network", "group"),
        description="Names of the tasks to train together, in display order.",
    )
    size: float = Field(validation_alias=AliasPath("request", "network", "size"))
    size_name: str = Field(description="Name of the size, such as resnet18; empty where it has none.")
    cost_snt: float = Field(validation_alias=AliasPath("request", "network", "cost_snt"))
    seed: int = Field(validation_alias=AliasPath("request", "seed"))
    fidelity: float = Field(
        validation_alias=AliasPath("request", "fidelity"), description="Share of a full training, in (0, 1]."
    )
    purpose: Purpose = Field(validation_alias=AliasPath("request", "purpose"))
    measures_affinity: bool = Field(validation_alias=AliasPath("request", "measures_affinity"))
    parameters: dict[str, Any] = Field(
        validation_alias=AliasPath("job", "spec", "trainer_parameters"),
        description="Parameters of the job's trainer.",
    )
    epochs: int = Field(description="Epochs of this training, as they count in a training budget.")
    deadline_s: float | None = Field(description="Seconds after which to end it and report a failure.")
    lease_s: float = Field(description="Seconds for which a heartbeat keeps the lease.")
    expires_at: datetime = Field(validation_alias="expires_s")


class PointIn(Input):
    """A point of the learning curves of a training."""

    step: Annotated[float, Ge(0)] = Field(description="How far it is, such as in epochs.")
    values: Annotated[dict[Annotated[PlainText, Len(1, MAX_NAME_LENGTH)], float], MaxLen(MAX_VALUES)] = Field(
        default_factory=dict, description="What was measured there, by name."
    )


class HeartbeatIn(Input):
    """A sign of life, with what the training told since the last one."""

    progress: Annotated[list[PointIn], MaxLen(MAX_POINTS)] = Field(default_factory=list)
    log: Annotated[str, MaxLen(MAX_TEXT)] = Field(default="", description="Further output, as written.")


class HeartbeatOut(Output):
    """Standing of a lease after a heartbeat."""

    is_cancelled: bool = Field(description="The user cancels the job: end the training.")
    expires_at: datetime = Field(validation_alias="expires_s")


class CompletionIn(Input, Result):
    """Result of a training, with the same keys as a result file: losses by task, lower is better."""

    seconds: Seconds | None = Field(
        default=None, description="Wall time of the training; the time since it was leased if left out."
    )


class FailureIn(Input):
    """Reason why a training has no result."""

    error: Annotated[str, Len(1, MAX_TEXT)] = Field(description="What went wrong, for people.")
    retry: bool = Field(default=False, description="Train it again, unless it was tried too often.")
    fault: Literal[Fault.USER, Fault.DEADLINE, Fault.RESOURCES] = Field(
        default=Fault.USER,
        description="What kind of thing went wrong: its code or input, its deadline, or memory. Where memory "
        "ran out, it is trained once more, whatever `retry` says.",
    )
    is_diverged: bool = Field(
        default=False, description="A loss became infinite or not a number: a result, not tried again."
    )
    epochs: Annotated[int, Interval(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Epochs carried out, where it diverged."
    )


class TrialStateOut(Output):
    """State of a trial after a report on it."""

    state: TrialState
