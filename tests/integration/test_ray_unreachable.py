"""A Ray that cannot be reached: said at once in the history of the job and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.domain.jobs.job import JobState
from grouping.store import Store
from tests.integration.conftest import server
from tests.patience import slowness, wait_for
from tests.services import Process, dispatcher, free_port

pytestmark = pytest.mark.slow


def test_a_job_waits_for_it_and_who_watches_the_job_is_told(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path / "dispatcher.log"
    with (
        server(sqlite_url, tmp_path / "api.log") as (url, _),
        dispatcher(sqlite_url, log, "--ray-address", address) as process,
    ):
        watching = Process(["run", "digits", "--server", url], tmp_path / "run.log")
        try:
            told = f"Ray cannot be reached; the job waits: No Ray cluster answers at {address}"
            wait_for(lambda: told in watching.output() or watching.popen.poll() is not None, "the line")
            assert watching.output().count(told) == 1
            (job,) = store.list_jobs().items
            kinds = [event.kind for event in store.events(job.id)]
            assert (kinds.count("ray_unreachable"), kinds.count("job_interrupted")) == (1, 0)
            assert f"No Ray cluster answers at {address}" in process.output()
            store.request_cancel(job.id)
            wait_for(lambda: store.get_job(job.id).state is JobState.CANCELLED, "the cancellation", 30.0)
            assert watching.popen.wait(60 * slowness()) == 3
        finally:
            watching.kill()
