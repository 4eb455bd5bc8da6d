"""What a job is trained with: recorded when it begins, and told where a worker trains with something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.domain.jobs.job import JobState
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.store import open_store
from grouping.training.arithmetic import current_arithmetic
from grouping.training.environment import library_versions
from tests.services import dispatcher, small_spec, submit, wait_until_final

pytestmark = pytest.mark.slow

SPEC = small_spec(tasks=("loop",), n_seeds=1, n_confirmation_seeds=0, epochs=1, budgets_snt=(1.0,))


def test_a_job_records_its_arithmetic_and_says_where_a_worker_has_another(
    tmp_path: Path, sqlite_url: str
) -> None:
    store = open_store(sqlite_url)
    begun_elsewhere = submit(store, SPEC)
    claim = store.claim_job("elsewhere", lease_s=60)
    assert claim is not None
    digest = get_problem(SPEC.problem).load(DATA_SEED).digest()
    versions = {"blas": "another library", "python": library_versions()["python"]}
    store.record_preparation(claim, data_digest=digest, versions=versions)
    store.release(claim)
    with dispatcher(sqlite_url, tmp_path / "log", workers=1):
        resumed = wait_until_final(store, begun_elsewhere)
        whole = wait_until_final(store, submit(store, SPEC))
    assert (resumed.state, whole.state) == (JobState.SUCCEEDED, JobState.SUCCEEDED)
    assert whole.versions == library_versions() | current_arithmetic().as_versions()
    assert resumed.versions == versions
    told = {
        job.id: [
            event.data["reason"] for event in store.events(job.id) if event.kind == "environment_differs"
        ]
        for job in (resumed, whole)
    }
    here = whole.versions["blas"]
    reason = f"scores may differ by rounding: the job began with blas another library, here {here}"
    assert told == {resumed.id: [reason], whole.id: []}
    assert not {"company_limited"} & {event.kind for event in store.events(whole.id)}
    store.close()
