"""Finishing a job in the service: what a user asks for, and how far it is.

A service that has ended a search trains the recommended networks once more and keeps them as a bundle, when a
user asks for it. What was asked and how it went is a row of the database; what is made are kept networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grouping.artefacts.kept import LearnedRows
from grouping.errors import InvalidInputError

MAX_SEEDS = 100
MAX_LICENCE = 2000
"""Characters of a note on the licence."""


class FinishState(StrEnum):
    """State of what was asked for."""

    QUEUED = "queued"
    """Accepted; waits for a dispatcher."""
    RUNNING = "running"
    """Networks are trained and written as a bundle."""
    SUCCEEDED = "succeeded"
    """The bundle is kept."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens."""
        return self not in (FinishState.QUEUED, FinishState.RUNNING)


@dataclass(frozen=True, slots=True)
class FinishWanted:
    """What is asked for: a bundle of the networks that a job recommends for a budget.

    Attributes:
        budget_snt: the inference budget.
        rows: rows to learn from.
        n_seeds: trainings of each network; None for as many as confirmed it.
        is_again: whether to train also where such networks are kept.
        licence: what is known of the licence of data and weights; a note in the bundle.
    """

    budget_snt: float
    rows: LearnedRows = LearnedRows.TRAIN
    n_seeds: int | None = None
    is_again: bool = False
    licence: str = ""

    def __post_init__(self) -> None:
        if self.n_seeds is not None:
            check_seeds(self.n_seeds)
        if len(self.licence) > MAX_LICENCE:
            raise InvalidInputError(
                f"A note on the licence has at most {MAX_LICENCE:,} characters.", pointer="/licence"
            )


@dataclass(frozen=True, slots=True)
class Finish:
    """What was asked for, and how far it is. Times are seconds since 1970 in UTC.

    Attributes:
        id: its identifier.
        job_id: the job.
        wanted: what was asked for.
        state: its present state.
        done, total: trainings that are done, of how many; 0 of 0 until the first ones are.
        error: what went wrong, in words for the user, once failed.
        created_s: when it was asked for.
        started_s: when a dispatcher first took it.
        finished_s: when it ended.
    """

    id: str
    job_id: str
    wanted: FinishWanted
    state: FinishState
    done: int = 0
    total: int = 0
    error: str | None = None
    created_s: float = 0.0
    started_s: float | None = None
    finished_s: float | None = None


def check_seeds(count: int) -> None:
    """Check a number of trainings of each network.

    Raises:
        InvalidInputError: if there are none, or too many.
    """
    if not 1 <= count <= MAX_SEEDS:
        raise InvalidInputError(f"Seeds are 1 to {MAX_SEEDS}, not {count}.", pointer="/seeds")
