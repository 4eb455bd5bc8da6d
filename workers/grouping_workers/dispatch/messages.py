"""Messages between a dispatcher and the processes of its jobs.

The end of the pipe is a message too: whichever side dies, the other notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grouping.store import Claim


class Activity(StrEnum):
    """Activity of the process of a job; each has a time after which the process counts as hanging."""

    STARTING = "starting"
    """It imports what trains, and joins Ray."""
    IDLE = "idle"
    """It waits for a job."""
    PREPARING = "preparing"
    """The trainer loads its data, measures costs and settles what it needs."""
    MEASURING = "measuring"
    """The trainer measures what further networks cost."""
    PLANNING = "planning"
    """The strategy decides what is trained next."""
    WAITING = "waiting"
    """Trainings run; it looks after them."""


@dataclass(frozen=True, slots=True)
class Join:
    """Join the Ray cluster at an address."""

    address: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Work on a job under a claim until it is final, or told to stop."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Stop working on the job, and give it back."""


@dataclass(frozen=True, slots=True)
class ShareTold:
    """Share of the Ray cluster that the job may use from now on, in [0, 1]."""

    share: float


@dataclass(frozen=True, slots=True)
class Working:
    """Activity of the process from now on.

    Attributes:
        activity: the activity.
        has_outcomes: whether a training ended since the last message.
        wanted: share of the Ray cluster that the job could use, in [0, 1].
    """

    activity: Activity
    has_outcomes: bool = False
    wanted: float = 1.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is final, given back or held by another dispatcher; the process waits for the next one.

    Attributes:
        is_unavailable: whether the database did not answer, so that the job has to be gone on with.
    """

    is_unavailable: bool = False


@dataclass(frozen=True, slots=True)
class FinishEnded:
    """How the making of a bundle ended is recorded; the process ends."""


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """The process cannot go on and ends; `reason` says why."""

    reason: str


Instruction = Join | Begin | GiveBack | ShareTold
Told = Working | Finished | ProcessEnded
