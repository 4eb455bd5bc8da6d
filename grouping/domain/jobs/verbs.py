"""Actions on an existing job: which are possible in which state, and why not otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from grouping.domain.jobs.job import JobState

_ENDED: Mapping[JobState, str] = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "been cancelled",
}
_NOTHING_TRAINED = (
    "No training of the search has succeeded yet, so there is nothing to recommend from. Wait for one, or "
    "cancel the job."
)


class JobVerb(StrEnum):
    """An action on an existing job; cloning it changes nothing and is always possible."""

    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"
    RESUME = "resume"
    DELETE = "delete"


def refusal(verb: JobVerb, state: JobState, n_given_up: int = 0, *, n_trained: int = 1) -> str | None:
    """Say why something cannot be done with a job in a state, and what to do instead; None if it can.

    Pausing, stopping or cancelling a job again before it has ended is allowed and changes nothing.

    Args:
        verb: the action.
        state: the state.
        n_given_up: number of its trainings that failed; a job that has succeeded can be resumed for them.
        n_trained: number of trainings of its search that succeeded, without which it cannot be stopped.
    """
    match verb:
        case JobVerb.PAUSE | JobVerb.STOP:
            if state.is_final:
                return f"The job has {_ENDED[state]} already; there is nothing to {verb}."
            if state is JobState.CANCELLING:
                return f"The job is being cancelled; there is nothing to {verb}."
            return None if n_trained or verb is JobVerb.PAUSE else _NOTHING_TRAINED
        case JobVerb.CANCEL:
            if state is JobState.CANCELLED:
                return "The job is cancelled already."
            return f"The job has {state} already; there is nothing to cancel." if state.is_final else None
        case JobVerb.RESUME:
            if state in (JobState.PAUSING, JobState.PAUSED) or state.is_resumable:
                return None
            if state is JobState.SUCCEEDED and n_given_up:
                return None
            if state is JobState.CANCELLING:
                return "The job is being cancelled; resume it when it has ended."
            if state is JobState.SUCCEEDED:
                return (
                    "The job has succeeded, and no training of it failed; there is nothing to resume. "
                    "To search on, clone it."
                )
            return f"The job is {state}: it goes on by itself. Only a job that has ended can be resumed."
        case JobVerb.DELETE:
            if state is JobState.CANCELLING:
                return "The job is being cancelled; delete it when it has ended."
            return None if state.is_final else f"The job is {state}; cancel it before deleting it."
