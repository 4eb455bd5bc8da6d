"""Child processes: what they are started with, and what is left of one that was killed."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from grouping.errors import WorkerLostError
from grouping.store import Store
from grouping_workers.dispatch.child_process import ChildProcess
from grouping_workers.dispatch.dispatcher import Dispatcher
from grouping_workers.settings import RaySettings
from tests.patience import wait_for


def tell_variable(pipe: Connection, name: str) -> None:
    pipe.send(os.environ.get(name, ""))


def test_a_child_has_variables_that_its_parent_has_not() -> None:
    name = "GROUPING_OF_A_CHILD"
    process = ChildProcess(tell_variable, (name,), "child", {name: "yes"})
    try:
        wait_for(process.pipe.poll, "the answer of the child")
        assert process.receive() == "yes"
        assert name not in os.environ
    finally:
        process.stop()


def wait_for_end(pipe: Connection) -> None:
    pipe.poll(None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the descriptors of a process from /proc")
def test_a_killed_child_holds_no_descriptors_whoever_holds_it() -> None:
    ChildProcess(wait_for_end, (), "child").stop()  # starts what all children share
    before = len(list(Path("/proc/self/fd").iterdir()))
    killed = []
    for _ in range(2):
        process = ChildProcess(wait_for_end, (), "child")
        assert process.process_id is not None
        os.kill(process.process_id, signal.SIGKILL)
        wait_for(process.pipe.poll, "its end")
        with pytest.raises(WorkerLostError, match="signal 9"):
            process.receive()
        process.stop()
        killed.append(process)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, killed


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment of a process from /proc")
def test_the_process_of_a_job_computes_with_one_thread(
    store: Store, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    dispatcher = Dispatcher(store, sqlite_url, RaySettings(home=tmp_path))
    process = dispatcher._start_process()
    environment = Path(f"/proc/{process.process_id}/environ")  # its parent's until its program has begun
    wanted = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"}
    try:
        wait_for(lambda: wanted <= set(environment.read_text().split("\0")), "one thread", 10)
        assert os.environ["OMP_NUM_THREADS"] == "2"
    finally:
        process.stop(at_once=True)
