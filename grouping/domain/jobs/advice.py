"""What users should know of a job, beside its state, and what they can do about it."""

from __future__ import annotations

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.verbs import JobVerb, refusal

_TRAINS = (JobState.RUNNING, JobState.CONFIRMING)


def job_notes(
    job: Job,
    *,
    n_waiting: int,
    n_running: int,
    n_failed: int,
    trains_elsewhere: bool,
    lacks_dispatcher: bool = False,
) -> tuple[str, ...]:
    """Say what is missing in a job, or what it waits for; empty where there is nothing to do.

    Args:
        job: the job.
        n_waiting: number of trainings that are planned and not begun.
        n_running: number of trainings under way.
        n_failed: number of trainings that could not be carried out.
        trains_elsewhere: whether its trainings are done by workers that ask for them.
        lacks_dispatcher: whether no dispatcher is at work, and has not been for a while.
    """
    notes = []
    if not job.state.is_at_rest and lacks_dispatcher:
        notes.append(
            "No dispatcher is at work, so nothing is planned or begun; the job waits. Start one: "
            "grouping dispatcher, or grouping serve, on the same database."
        )
    if job.state is JobState.SUCCEEDED and n_failed and refusal(JobVerb.RESUME, job.state, n_failed) is None:
        failed, them = _counted(n_failed, "training"), "it" if n_failed == 1 else "them"
        notes.append(
            f"{failed} could not be carried out, and the result does without {them}"
            f"{f': {named}' if (named := job.missing.in_words()) else ''}. "
            f"Resume the job to try {them} again."
        )
    if job.state is JobState.PAUSED:
        notes.append(f"Nothing is trained until the job goes on: grouping resume {job.id}")
    if trains_elsewhere and job.state in _TRAINS and n_waiting and not n_running:
        wait = "waits" if n_waiting == 1 else "wait"
        notes.append(
            f"No worker is at work, and {_counted(n_waiting, 'training')} {wait} for one. "
            f"Start one: grouping worker --server ADDRESS --job {job.id} -- COMMAND"
        )
    return tuple(notes)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
