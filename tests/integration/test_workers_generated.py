"""A job whose candidates are not listed: networks are measured when the strategy first wants them."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import Candidates
from grouping.search import networks_to_measure
from grouping.solver import solve
from grouping.store import migrate, open_store
from grouping_workers.job.control import Control
from grouping_workers.job.job_run import JobRun
from grouping_workers.on_ray.cluster import connect
from grouping_workers.on_ray.ray_executor import RayExecutor
from grouping_workers.settings import RaySettings
from tests.services import small_spec, submit

pytestmark = pytest.mark.slow


def test_generated_networks_are_measured_trained_and_recommended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_a_list(spec: JobSpec) -> Candidates:
        return Candidates.of(spec.tasks, single_sizes=spec.single_sizes, limit=1)

    monkeypatch.setattr(JobSpec, "candidates", property(without_a_list))
    url = f"sqlite:///{tmp_path / 'grouping.db'}"
    migrate(url)
    store = open_store(url)
    connect(None, 2, str(tmp_path))
    try:
        job = submit(store, small_spec(strategy="adaptive", strategy_parameters={"tolerance": 0}))
        claim = store.claim_job("test", lease_s=60)
        assert claim is not None
        before = networks_to_measure(SearchTerms.of_job(claim.job.spec))
        assert not any(1 < len(network.group) < 3 for network in before)
        control = Control()
        JobRun(store, claim, RayExecutor(RaySettings(n_workers=2), control), control).run()
        job = store.get_job(job.id)
        assert (job.state, job.error) == (JobState.SUCCEEDED, None)
        table = store.score_table(job.score_table_id)
        assert any(len(network.group) == 2 for network in table.networks)
        assert all(s.multiply_adds > 0 for s in store.networks(job.score_table_id))
        assert solve(table, 2.0).require_grouping().cost_snt <= 2.0
    finally:
        ray.shutdown()
        store.close()
