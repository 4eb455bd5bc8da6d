"""Actions on an existing job: which are possible in which state, and why not otherwise."""

from __future__ import annotations

from enum import StrEnum

from grouping.domain.jobs import JobState


class JobVerb(StrEnum):
    """An action on an existing job; cloning it changes nothing and is always possible."""

    CANCEL = "cancel"
    RESUME = "resume"
    DELETE = "delete"


def refusal(verb: JobVerb, state: JobState, n_given_up: int = 0) -> str | None:
    """Say why a job in a state cannot be cancelled, resumed or deleted, and what to do; None if it can.

    Cancelling a job again while it is being cancelled is allowed and changes nothing.

    Args:
        verb: the action.
        state: the state.
        n_given_up: number of its trainings that failed; a job that has succeeded can be resumed for them.
    """
    match verb:
        case JobVerb.CANCEL:
            if state is JobState.CANCELLED:
                return "The job is cancelled already."
            return f"The job has {state} already; there is nothing to cancel." if state.is_final else None
        case JobVerb.RESUME:
            if state.is_resumable or (state is JobState.SUCCEEDED and n_given_up):
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
