"""Messages between the dispatcher and its driver process, over one pipe.

The dispatcher sends `Prepare`, `Measure`, `Train` and `ReleaseWorkers`; the driver answers each with the one
answer named in its docstring, in any order for trainings, and tells by `Resized` how many fit. The pipe's end
is the only other signal: whichever side dies, the other notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trials import TrialOutcome, TrialRequest
from grouping.trainers import Prepared, TrainerJob


@dataclass(frozen=True, slots=True)
class Prepare:
    """Prepare the training of a job and measure networks. Answered by `Ready` or `Refused`.

    Attributes:
        trainer: name of the trainer.
        job: description of the job for the trainer.
        networks: networks whose inference cost is wanted.
    """

    trainer: str
    job: TrainerJob
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """Workers are ready to train the job.

    Attributes:
        prepared: what the trainer found out while it prepared the job.
        measured: one per network asked for, in order; None for one that cannot be built.
        n_workers: number of stacks that are trained at the same time; `Resized` tells of changes.
        environment: libraries and processor that a worker trains with.
    """

    prepared: Prepared
    measured: tuple[MeasuredNetwork | None, ...]
    n_workers: int
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure further networks of the prepared job. Answered by `Measured` or `Refused`."""

    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Inference costs of networks."""

    measured: tuple[MeasuredNetwork | None, ...]


@dataclass(frozen=True, slots=True)
class Train:
    """Train a stack of networks of the prepared job on one worker. Answered by `Trained` or `Lost`.

    Attributes:
        number: identifies the order in its answer; never used twice by one job.
        job_id: job of the trainings; names the folder of their checkpoints.
        requests: what to train, by trial.
    """

    number: int
    job_id: str
    requests: Mapping[str, TrialRequest]


@dataclass(frozen=True, slots=True)
class ReleaseWorkers:
    """Free what other users of the cluster could use: no trainings follow for now. Not answered."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The trainings of an order ended.

    Attributes:
        number: number of the order.
        outcomes: one for each trial, by trial.
        environment: what the worker trained them with; empty where its code raised.
        remarks: what the user should know about it, by kind of event.
    """

    number: int
    outcomes: Mapping[str, TrialOutcome]
    environment: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """The trainings of an order were lost with their worker; which training caused it is not known."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Resized:
    """The cluster was resized: `n_workers` trainings run at the same time from now on."""

    n_workers: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request cannot be carried out, nor would it be when repeated; `reason` is for the user."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The driver cannot go on and ends; `reason` says why."""

    reason: str


Order = Prepare | Measure | Train | ReleaseWorkers
Answer = Ready | Measured | Trained | Lost | Refused | Resized | Ended
