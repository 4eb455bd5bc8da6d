"""Agents as processes that train for an API process: killed, cancelled, shut down, and many at once."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from grouping.client import Assignment, Client, RemoteJob
from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.errors import RetryTrainingError
from grouping.store import Store, open_store
from grouping.trainers import Trainer, TrainingReports
from tests.integration.conftest import server
from tests.patience import slowness, wait_for
from tests.services import guarded_by, moments_of_kills
from tests.stand_in import begin, plan_step, planned_by_stand_in
from tests.unit.test_base_install import COMMAND, lacking_modules

pytestmark = pytest.mark.slow

TRAIN = """
import argparse, json, os, pathlib, subprocess, sys, time

parser = argparse.ArgumentParser()
for name in ("tasks", "size", "seed", "fidelity", "out", "notes"):
    parser.add_argument("--" + name)
parser.add_argument("--fate", default="")
given = parser.parse_args()
notes = pathlib.Path(given.notes)
with (notes / "runs").open("a") as file:
    purpose = os.environ["GROUPING_PURPOSE"]
    file.write(f"{given.tasks} {given.size} {given.seed} {given.fidelity} {purpose}\\n")
print("training", given.tasks, flush=True)
if given.fate == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (notes / "pids.new").write_text(f"{os.getpid()} {child.pid}")
    (notes / "pids.new").rename(notes / "pids")
    time.sleep(600)
if given.fate == "slow":
    time.sleep(0.5)
if given.fate.isdecimal():
    print("the last line of output", file=sys.stderr)
    sys.exit(int(given.fate))
names = given.tasks.split(",")
loss = 0.5 / float(given.size) ** 0.1 - 0.02 * len(names) + 0.001 * int(given.seed)
result = {"validation": {name: loss for name in names}, "test": {name: loss for name in names}, "epochs": 2}
pathlib.Path(given.out, "result.json").write_text(json.dumps(result))
"""
PLACEHOLDERS = ("tasks", "size", "seed", "fidelity", "out")
REQUEST: dict[str, Any] = {
    "problem": "digits",
    "tasks": ["digit", "loop", "edges"],
    "strategy": {"name": "exhaustive", "parameters": {}},
    "budgets_snt": [2],
    "n_seeds": 1,
    "n_confirmation_seeds": 2,
}
LEASE_S = 3


def loss_of(size: float, n_tasks: int, seed: int) -> float:
    """What the command tells of each task."""
    return float(0.5 / size**0.1 - 0.02 * n_tasks + 0.001 * seed)


class Site:
    """A service, and agents that train for it."""

    def __init__(self, client: Client, store: Store, notes: Path) -> None:
        self.client = client
        self.store = store
        self.notes = notes
        self.script = notes / "train.py"
        self.script.write_text(TRAIN)

    @contextmanager
    def job(self, **parameters: Any) -> Iterator[RemoteJob]:
        """A job, planned in this process."""
        trainer = {"name": "external", "parameters": {"data": "v1", "lease_s": LEASE_S, **parameters}}
        submitted = self.client.submit(**REQUEST, trainer=trainer)
        with planned_by_stand_in(self.store) as job:
            assert job.id == submitted.id
            yield submitted

    @contextmanager
    def agent(self, job: RemoteJob, *options: str, fate: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """An agent on a base install, as a process."""
        placed = [word for name in PLACEHOLDERS for word in (f"--{name}", f"{{{name}}}")]
        command = [sys.executable, str(self.script), "--notes", str(self.notes), "--fate", fate, *placed]
        log = (self.notes / "agent.log").open("ab")
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-c", COMMAND, lacking_modules()),
                *("worker", "--server", self.client.url, "--job", job.id, *options, "--", *command),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
            log.close()
            assert "Traceback" not in self.log

    @property
    def log(self) -> str:
        """What agents and trainings wrote."""
        return (self.notes / "agent.log").read_text()

    def wait_for_hanging(self) -> list[int]:
        """Wait until a training hangs; gives the ids of its processes."""
        wait_for((self.notes / "pids").exists, "the start of a training")
        return [int(number) for number in (self.notes / "pids").read_text().split()]

    def check_complete(self, job: RemoteJob) -> None:
        """Every trial of a succeeded job has scores, and each was trained once."""
        assert job.refresh().state is JobState.SUCCEEDED
        trials = self.store.trials(job.id)
        assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
        assert job.recommendations()[0].solution.grouping is not None
        succeeded = Counter(
            event.data["trial"]
            for event in self.store.events(job.id, limit=5000)
            if event.kind == "trial_succeeded"
        )
        assert succeeded == Counter(trial.id for trial in trials)
        assert self.store.ledger(job.id).trainings == sum(trial.attempts for trial in trials)


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[tuple[Client, Store]]:
    folder = tmp_path_factory.mktemp("service")
    shutil.copy(sqlite_template, folder / "grouping.db")
    url = f"sqlite:///{folder / 'grouping.db'}"
    with server(url, folder / "api.log") as (found, _), Client(found) as client:
        store = open_store(url)
        yield client, store
        store.close()


@pytest.fixture
def site(address: tuple[Client, Store], tmp_path: Path) -> Site:
    return Site(*address, tmp_path)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_death(processes: list[int], within_s: float = 10.0) -> None:
    wait_for(lambda: not any(map(is_alive, processes)), "the end of the training", within_s)


def test_two_agents_with_two_slots_train_every_network_once(site: Site) -> None:
    with site.job() as job, ExitStack() as agents:
        processes = [agents.enter_context(site.agent(job, "--slots", "2")) for _ in range(2)]
        job.wait(timeout_s=120 * slowness())
        for process in processes:
            assert process.wait(60 * slowness()) == 0, "an agent ends when its job has ended"
    site.check_complete(job)
    for trial in site.store.trials(job.id):
        assert site.store.trial_log(job.id, trial.id).text.startswith("training ")
    runs = (site.notes / "runs").read_text().splitlines()
    assert len(runs) == len(set(runs)) == len(site.store.trials(job.id))
    assert {trial.epochs for trial in site.store.trials(job.id)} == {2}


def test_the_training_of_an_agent_that_is_killed_is_done_again_by_another(site: Site) -> None:
    with site.job() as job:
        with site.agent(job, fate="hang") as killed:
            processes = site.wait_for_hanging()
            killed.kill()
            wait_for_death(processes)
        with site.agent(job):
            job.wait(timeout_s=120 * slowness())
    site.check_complete(job)
    kinds = [event.kind for event in site.store.events(job.id)]
    assert kinds.count("trial_lost") == 1
    assert max(trial.attempts for trial in site.store.trials(job.id)) == 2


def test_cancelling_a_job_ends_its_trainings_within_seconds(site: Site) -> None:
    with site.job(lease_s=60) as job, site.agent(job, fate="hang") as agent:
        processes = site.wait_for_hanging()
        job.cancel()
        wait_for_death(processes)
        assert job.wait(timeout_s=60).state is JobState.CANCELLED
        assert agent.wait(60 * slowness()) == 0


def test_a_training_ends_when_the_user_cancels_even_if_the_dispatcher_is_slow(site: Site) -> None:
    trainer = {"name": "external", "parameters": {"data": "v1"}}
    job = site.client.submit(**REQUEST, trainer=trainer)
    claim = site.store.claim_job("slow", lease_s=600)
    assert claim is not None
    begin(site.store, claim)
    plan_step(site.store, claim)
    with site.agent(job, fate="hang"):
        processes = site.wait_for_hanging()
        job.cancel()
        wait_for_death(processes)
        assert job.refresh().state is JobState.CANCELLING
        wait_for(lambda: site.store.trials(job.id)[0].attempts == 0, "the training given back")
        site.store.enter_state(claim, JobState.CANCELLED)


def test_an_agent_that_is_shut_down_gives_its_training_back(site: Site) -> None:
    with site.job(lease_s=60) as job:
        with site.agent(job, fate="hang") as agent:
            processes = site.wait_for_hanging()
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30 * slowness()) == 0
            wait_for_death(processes, 1)
        first = site.store.trials(job.id)[0]
        assert (first.state, first.attempts) == (TrialState.PLANNED, 0)
        assert site.store.ledger(job.id).trainings == 0


def test_a_training_beyond_its_deadline_is_ended_as_failed(site: Site) -> None:
    with site.job(deadline_s=5) as job:  # long enough to begin on a busy machine
        with site.agent(job, "--once", fate="hang") as agent:
            processes = site.wait_for_hanging()
            assert agent.wait(60 * slowness()) == 0
            wait_for_death(processes, 1)
        first = site.store.trials(job.id)[0]
        assert first.state is TrialState.FAILED
        assert "deadline of 5 s" in (first.error or "")


@pytest.mark.parametrize(("status", "attempts"), [(3, 1), (75, Trainer.max_attempts)])
def test_the_exit_status_of_a_command_says_whether_to_try_again(
    site: Site, status: int, attempts: int
) -> None:
    with site.job() as job, site.agent(job, fate=str(status)):
        wait_for(lambda: any(t.state.is_final for t in site.store.trials(job.id)), "the end of a training")
        first = site.store.trials(job.id)[0]
        assert (first.state, first.attempts) == (TrialState.FAILED, attempts)
        assert "the last line of output" in (first.error or "")
    assert "training digit" in site.log


def test_a_training_is_leased_no_more_once_its_worker_hung_up(site: Site) -> None:
    with site.job(lease_s=600) as job:
        first = job.ask("me", wait_s=30)
        assert first is not None
        while job.ask("me", wait_s=0) is not None:
            pass
        asked = {"worker": "hangs up", "job_ids": [job.id], "wait_s": 60}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{site.client.url}/v1/leases", json=asked, timeout=1)
        job.give_back(first)
        time.sleep(1.5)  # the one that hung up would look twice in this time
        again = job.ask("me", wait_s=0)
        assert again is not None
        assert (again.trial_id, again.attempt) == (first.trial_id, 1)


def test_a_function_of_python_trains_too(site: Site) -> None:
    told: list[str] = []

    def train(assignment: Assignment, reports: TrainingReports) -> TrialOutcome:
        reports.progress(assignment.request, Progress(1, {"loss": 0.5}))
        reports.log(assignment.request, "one epoch\n")
        assert not reports.is_cancelled()
        if assignment.attempt == 1 and len(assignment.tasks) == 1:
            raise RetryTrainingError("the disk was full")
        if assignment.size < 1:
            return TrialOutcome(TrialState.DIVERGED, epochs=1, error="infinite")
        scores = tuple(TaskScore(task, 0.3, 0.3, 0.9) for task in assignment.tasks)
        return TrialOutcome(TrialState.SUCCEEDED, scores, 1, 0.5, costs={"latency_ms": 2.0})

    with site.job() as job:
        job.work(train, worker="a notebook", on_event=told.append)
    job.refresh()
    assert job.state is JobState.SUCCEEDED
    trials = site.store.trials(job.id)
    assert {trial.state for trial in trials} == {TrialState.SUCCEEDED, TrialState.DIVERGED}
    assert all(trial.attempts == (2 if len(trial.network.group) == 1 else 1) for trial in trials)
    assert all(trial.scores[0].validation_metric == 0.9 for trial in trials if trial.scores)
    assert told[0].startswith("training digit")


def test_an_exception_of_the_function_is_a_failure_with_its_words(site: Site) -> None:
    def train(assignment: Assignment, reports: TrainingReports) -> TrialOutcome:
        raise ValueError("the label 7 is unknown")

    with site.job() as job:
        job.work(train, once=True)
        first = site.store.trials(job.id)[0]
        assert (first.state, first.error) == (TrialState.FAILED, "ValueError: the label 7 is unknown")


class Outage:
    """A service and two agents of which each may be killed, and is started again."""

    def __init__(self, stack: ExitStack, url: str, folder: Path) -> None:
        self.stack, self.url, self.folder = stack, url, folder
        self.port, self.n_started = 0, 0
        self.store = open_store(url)
        stack.callback(self.store.close)
        self.start_api()
        self.site = Site(stack.enter_context(Client(f"http://127.0.0.1:{self.port}")), self.store, folder)
        self.job = stack.enter_context(self.site.job())
        self.agents = [self.start_agent(), self.start_agent()]

    def start_api(self) -> None:
        self.n_started += 1
        log = self.folder / f"api {self.n_started}.log"
        address, self.api = self.stack.enter_context(server(self.url, log, port=self.port))
        self.port = int(address.rpartition(":")[2])

    def start_agent(self) -> subprocess.Popen[bytes]:
        return self.stack.enter_context(self.site.agent(self.job, fate="slow"))

    def n_trained(self) -> int:
        return sum(trial.state is TrialState.SUCCEEDED for trial in self.store.trials(self.job.id))

    def wait_for_results(self, n: int) -> None:
        """Wait until so many more are there."""
        enough = self.n_trained() + n
        wait_for(lambda: self.n_trained() >= enough, f"{enough} results")

    def kill_api(self) -> None:
        self.api.kill()
        self.api.wait()
        time.sleep(1)  # the agents find nobody
        self.start_api()

    def kill_agent(self) -> None:
        agent = self.agents.pop(0)
        trained = [*guarded_by(agent.pid)]
        agent.kill()
        agent.wait()
        wait_for_death(trained)
        self.agents.append(self.start_agent())


def test_whenever_service_and_agents_are_killed_the_table_is_that_of_an_undisturbed_job(
    sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "own.db")
    moments = moments_of_kills()
    with ExitStack() as stack:
        outage = Outage(stack, f"sqlite:///{tmp_path / 'own.db'}", tmp_path)
        kills = [outage.kill_api, outage.kill_agent] * 2
        moments.shuffle(kills)
        for kill in kills:
            outage.wait_for_results(moments.randint(1, 2))
            time.sleep(moments.uniform(0, 0.5))  # somewhere within a training
            kill()
        outage.job.wait(timeout_s=120 * slowness())
        outage.site.check_complete(outage.job)
        for trial in outage.store.trials(outage.job.id):
            loss = loss_of(trial.network.size, len(trial.network.group), trial.seed)
            assert [score.validation_loss for score in trial.scores] == [pytest.approx(loss, abs=1e-9)] * len(
                trial.network.group
            )
    assert "trying again" in outage.site.log
