"""`Search.run` with each executor: the same scores, and what becomes of workers that die, hang or raise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from grouping.domain.trainings.faults import QUARANTINE_AFTER
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError, TrainingError
from grouping.search import Search
from grouping.trainers import TrainingWorker, WorkerContext, WorkerSetup
from tests.patience import wait_for
from tests.troubled_trainer import NAMES, Troubled, Troubles, Worker, new_search

WORKERS = {"in-process": 1, "threads": 3, "processes": 2}


def told(search: Search) -> dict[object, object]:
    return {trial.key: (trial.state, frozenset(trial.scores)) for trial in search.state.trials}


@pytest.mark.parametrize("planning", ["steps", "continuous"])
def test_every_executor_brings_the_same_search_to_the_same_end(tmp_path: Path, planning: str) -> None:
    searches = []
    for executor, workers in WORKERS.items():
        search = new_search(planning=planning)
        search.run(Troubled(Troubles(tmp_path)), executor=executor, workers=workers)
        assert search.stop_reason is not None
        assert all(found.verdict is not None for found in search.recommendations())
        searches.append(search)
    assert told(searches[0]) == told(searches[1]) == told(searches[2]) != {}


def test_a_process_that_dies_costs_its_training_an_attempt_and_no_other_anything(tmp_path: Path) -> None:
    undisturbed, search = new_search(), new_search()
    undisturbed.run(Troubled(Troubles(tmp_path)))
    (tmp_path / "own").mkdir()
    troubles = Troubles(tmp_path / "own", deaths={"a": 1, "a+b": 2})
    search.run(Troubled(troubles), executor="processes", workers=2)
    assert told(search) == told(undisturbed)
    n_seeds = sum(trial.network.name(NAMES) == "a" for trial in search.state.trials)
    assert len(troubles.starts("a")) == n_seeds + 1


def test_a_training_that_was_lost_as_often_as_the_trainer_allows_has_failed(tmp_path: Path) -> None:
    troubles = Troubles(tmp_path, deaths={"a+b": 99})
    search = new_search()
    search.run(Troubled(troubles), executor="processes", workers=2)
    assert len(troubles.starts("a+b")) == QUARANTINE_AFTER + Troubled.max_attempts
    scores = search.scores()
    assert [
        n.name(NAMES) for n, whole in zip(scores.networks, scores.is_complete, strict=True) if not whole
    ] == ["a+b"]


def test_a_training_that_passes_its_deadline_is_ended_and_has_failed(tmp_path: Path) -> None:
    troubles = Troubles(tmp_path, hangs=frozenset({"b+c"}))
    search = new_search()
    search.run(Troubled(troubles, deadline_s=0.5), executor="processes", workers=2)
    scores = search.scores()
    assert not scores.is_complete[[n.name(NAMES) for n in scores.networks].index("b+c")]
    assert len(troubles.starts("b+c")) == 1, "what takes too long once does so again"


@pytest.mark.parametrize("executor", WORKERS)
def test_an_exception_of_the_trainer_ends_the_run_and_another_goes_on_from_there(
    tmp_path: Path, executor: str
) -> None:
    search, whole = new_search(), new_search()
    whole.run(Troubled(Troubles(tmp_path)))
    with pytest.raises((ValueError, TrainingError), match=r"no gradient in a\+b"):
        search.run(
            Troubled(Troubles(tmp_path, raises=frozenset({"a+b"}))),
            executor=executor,
            workers=WORKERS[executor],
        )
    before = told(search)
    search.run(Troubled(Troubles(tmp_path)), executor=executor, workers=WORKERS[executor])
    assert told(search) == told(whole)
    assert before.keys() <= told(search).keys()


def test_a_worker_that_cannot_be_built_ends_the_run_with_its_text(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no data"):
        new_search().run(Troubled(Troubles(tmp_path, is_built=False)), executor="processes", workers=2)


def test_a_setup_that_no_other_process_can_read_is_refused(tmp_path: Path) -> None:
    class Local(Troubled):
        def setup(self) -> WorkerSetup:
            return WorkerSetup("local", lambda data, context: Worker(data, context), self.troubles)

    with pytest.raises(InvalidInputError, match="cannot be sent to another process"):
        new_search().run(Local(Troubles(tmp_path)), executor="processes", workers=2)


def test_threads_train_at_the_same_time_each_with_a_worker_of_its_own(tmp_path: Path) -> None:
    meeting, built = threading.Barrier(3, timeout=60), list[TrainingWorker]()

    class Meeting(Worker):
        def __init__(self, data: Troubles, context: WorkerContext) -> None:
            super().__init__(data, context)
            built.append(self)

        def train(
            self, requests: Sequence[TrialRequest], checkpoints: Path | None = None
        ) -> Sequence[TrialOutcome]:
            if len(requests[0].network.group) == 1 and requests[0].seed == 0:
                meeting.wait()  # the six networks of single tasks: three by three
            return super().train(requests, checkpoints)

    class Together(Troubled):
        def setup(self) -> WorkerSetup:
            return WorkerSetup("together", Meeting, self.troubles)

    new_search().run(Together(Troubles(tmp_path)), executor="threads", workers=3)
    assert len(built) == 3


def test_an_executor_that_is_none_or_has_no_workers_is_refused(tmp_path: Path) -> None:
    trainer = Troubled(Troubles(tmp_path))
    for executor, workers in (("cluster", 2), ("threads", 0), ("in-process", 2)):
        with pytest.raises(InvalidInputError):
            new_search().run(trainer, executor=executor, workers=workers)


HANGING = """
import sys
from pathlib import Path
from tests.troubled_trainer import Troubled, Troubles, new_search

if __name__ == "__main__":
    hangs = frozenset({"a", "b"})
    new_search().run(Troubled(Troubles(Path(sys.argv[1]), hangs=hangs)), executor="processes", workers=2)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_search_however_it_ends(tmp_path: Path, ending: signal.Signals) -> None:
    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    (tmp_path / "starts").mkdir()
    troubles = Troubles(tmp_path / "starts")
    parent = subprocess.Popen(
        [sys.executable, str(script), str(troubles.folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.DEVNULL,
        # Whoever runs the tests in the background ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_for(lambda: bool(troubles.starts("a") and troubles.starts("b")), "the trainings")
        children = {int(path.name.split()[-2]) for name in "ab" for path in troubles.starts(name)}
        assert all(_is_alive(child) for child in children)
        parent.send_signal(ending)
        parent.wait(60)
        wait_for(lambda: not any(_is_alive(child) for child in children), "the end of the processes")
    finally:
        parent.kill()
        parent.wait()


def test_a_script_without_a_guard_is_told_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(HANGING.replace('if __name__ == "__main__":', "if True:"))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "__main__" in done.stderr.splitlines()[-1]


def _is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
