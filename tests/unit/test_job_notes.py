"""What is said of a job that lacks trainings, or waits for workers."""

from __future__ import annotations

import pytest

from grouping.domain.jobs.advice import job_notes
from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec

SPEC = JobSpec("digits", ("a", "b"))


def notes(state: JobState, *, waiting: int = 0, running: int = 0, failed: int = 0) -> tuple[str, ...]:
    job = Job("j1", SPEC, state, "t1")
    return job_notes(job, n_waiting=waiting, n_running=running, n_failed=failed, trains_elsewhere=True)


def test_a_job_that_succeeded_without_some_trainings_says_so_and_what_to_do() -> None:
    assert notes(JobState.SUCCEEDED) == ()
    (one,), (several,) = notes(JobState.SUCCEEDED, failed=1), notes(JobState.SUCCEEDED, failed=1200)
    assert one.startswith("1 training could not be carried out")
    assert "try it again" in one
    assert several.startswith("1,200 trainings could not")
    assert "try them again" in several


@pytest.mark.parametrize("state", JobState)
def test_a_job_that_waits_for_a_dispatcher_where_there_is_none_says_so(state: JobState) -> None:
    job = Job("j1", SPEC, state, "t1")

    def says_so(lacks: bool) -> bool:
        found = job_notes(
            job, n_waiting=0, n_running=0, n_failed=0, trains_elsewhere=False, lacks_dispatcher=lacks
        )
        return any("No dispatcher is at work" in note for note in found)

    assert says_so(True) is not state.is_at_rest
    assert not says_so(False)


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.CONFIRMING])
def test_trainings_that_nobody_does_are_told_with_the_command_that_does_them(state: JobState) -> None:
    (said,) = notes(state, waiting=3)
    assert "3 trainings" in said
    assert "grouping worker --server ADDRESS --job j1 -- COMMAND" in said
    assert notes(state, waiting=3, running=1) == notes(state) == notes(JobState.CANCELLING, waiting=3) == ()
    job = Job("j1", SPEC, state, "t1")
    assert job_notes(job, n_waiting=3, n_running=0, n_failed=0, trains_elsewhere=False) == ()
