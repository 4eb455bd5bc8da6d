"""Registered trainers on a Ray cluster of two nodes: functions, classes, commands, with what they ship."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.store import Store, migrate, open_store
from tests.patience import slowness, wait_for
from tests.services import Process, free_port, submit, wait_until_final

pytestmark = pytest.mark.slow

TRAINERS = """
[trainers.function]
python = "here.py:train"
parameters = {rate = 0.5}

[trainers.class]
python = "here.py:Trained"

[trainers.command]
command = ["{python}", "here.py", "--rate", "{parameters.rate}"]
parameters = {rate = 0.5}

[trainers.shipped]
python = "own.py:train"
[trainers.shipped.runtime_env]
working_dir = "project"
py_modules = ["lib/helpers"]
env_vars = {SHIPPED_RATE = "0.5"}

[trainers.shipped-command]
command = ["{python}", "own.py"]
[trainers.shipped-command.runtime_env]
working_dir = "project"
py_modules = ["lib/helpers"]
env_vars = {SHIPPED_RATE = "0.5"}

[trainers.group]
python = "here.py:train_with_others"
resources = {cpus = 0.5, bundles = [{CPU = 0.25}, {CPU = 0.25}]}

[trainers.unfit]
command = ["true"]
runtime_env = {py_modules = ["file:///no/such/archive.zip"]}
"""
LOSSES = """
import random


def losses(tasks, seed, size, rate):
    noise = random.Random(f"{sorted(tasks)} {seed} {size}")
    validation = {task: rate + 0.01 * noise.random() for task in tasks}
    return {"validation": validation, "cost_snt": 7 * size**2}
"""
HERE = (
    LOSSES
    + """

def train(tasks, seed, size, rate=0.5):
    return losses(tasks, seed, size, rate)


class Trained:
    def __init__(self, tasks):
        self.tasks = tasks

    def train(self, requests):
        return [
            losses([task for task in self.tasks if task in r.network.group], r.seed, r.network.size, 0.5)
            for r in requests
        ]


def train_with_others(tasks, seed, size, log):
    import ray

    node = ray.remote(num_cpus=0.25)(lambda: ray.get_runtime_context().get_node_id())
    group = ray.util.get_current_placement_group()
    others = ray.get([node.remote(), node.remote()])
    log(f"{len(group.bundle_specs)} bundles, nodes {len({ray.get_runtime_context().get_node_id(), *others})}")
    return losses(tasks, seed, size, 0.5)


if __name__ == "__main__":
    import json, os, sys

    told = os.environ
    rate = float(sys.argv[2])
    found = losses(json.loads(told["GROUPING_TASKS_JSON"]), int(told["GROUPING_SEED"]),
                   float(told["GROUPING_SIZE"]), rate)
    json.dump(found, open(told["GROUPING_OUT"] + "/result.json", "w"))
"""
)
OWN = """
import os
import socket

import helpers


def train(tasks, seed, size, log):
    import ray

    log(f"file {__file__}\\n")
    log(f"helpers {helpers.__file__}\\n")
    log(f"node {ray.get_runtime_context().get_node_id()}\\n")
    return helpers.losses(tasks, seed, size, float(os.environ["SHIPPED_RATE"]))


if __name__ == "__main__":
    import json

    told = os.environ
    print("file", __file__, os.getcwd(), "helpers", helpers.__file__)
    found = helpers.losses(json.loads(told["GROUPING_TASKS_JSON"]), int(told["GROUPING_SEED"]),
                           float(told["GROUPING_SIZE"]), float(told["SHIPPED_RATE"]))
    json.dump(found, open(told["GROUPING_OUT"] + "/result.json", "w"))
"""


@dataclass(frozen=True)
class Cluster:
    """A database, and a dispatcher that uses a Ray cluster of two nodes."""

    store: Store
    folder: Path
    dispatcher: Process
    address: str
    token: Mapping[str, str]

    def job(self, trainer: str, sizes: tuple[SizeVariant, ...] = (), **parameters: object) -> Job:
        """Run a small job with a trainer, to its end."""
        spec = JobSpec(
            "digits",
            ("digit", "loop"),
            trainer=trainer,
            trainer_parameters=parameters,
            strategy="exhaustive",
            budgets_snt=(1.0,),
            n_seeds=2,
            n_confirmation_seeds=1,
            sizes=sizes,
        )
        return wait_until_final(self.store, submit(self.store, spec))

    def cells(self, job: Job) -> Mapping[object, object]:
        """Every score of the search of a job that succeeded."""
        assert job.state is JobState.SUCCEEDED, (job.error, self.dispatcher.output()[-2000:])
        trials = self.store.trials(job.id)
        assert {trial.state for trial in trials} == {TrialState.SUCCEEDED}
        return {
            (tuple(sorted(trial.network.group)), trial.network.size, trial.seed): {
                score.task: score.validation_loss for score in trial.scores
            }
            for trial in trials
            if trial.purpose is Purpose.SEARCH
        }

    def logs(self, job: Job) -> list[str]:
        """What the trainings of a job printed."""
        return [self.store.trial_log(job.id, trial.id).text for trial in self.store.trials(job.id)]


@contextmanager
def ray_node(log: Path, *options: str, environment: Mapping[str, str]) -> Iterator[None]:
    """A node of a cluster, from when it has joined: nodes of one machine must start in turn."""
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "start", "--block", "--num-cpus=1", "--disable-usage-stats", *options]
    with log.open("wb") as output:
        node = subprocess.Popen(
            [*command, "--object-store-memory=100000000"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(
            lambda: "will now block" in log.read_text() or node.poll() is not None, "a node of Ray", 120.0
        )
        assert node.poll() is None, log.read_text()
        yield
    finally:
        node.terminate()
        try:
            node.wait(45 * slowness())
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("registered")
    for name, text in {
        "trainers.toml": TRAINERS,
        "here.py": HERE,
        "project/own.py": OWN,
        "lib/helpers/__init__.py": LOSSES,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    url = f"sqlite:///{folder / 'grouping.db'}"
    migrate(url)
    address = f"127.0.0.1:{free_port()}"
    sockets = tempfile.mkdtemp(prefix="gr-")  # names of sockets have to be short
    others = {name: value for name, value in os.environ.items() if not name.startswith(("GROUPING_", "RAY_"))}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    plain = others | token
    head = [f"--port={address.partition(':')[2]}", "--head", "--include-dashboard=false"]
    store = open_store(url)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        stack.callback(store.close)
        stack.enter_context(
            ray_node(
                folder / "head",
                *head,
                f"--temp-dir={sockets}",
                "--node-ip-address=127.0.0.1",
                environment=plain,
            )
        )
        stack.enter_context(ray_node(folder / "node", f"--address={address}", environment=plain))
        wanted = ("--home", str(folder), "--database-url", url, "--ray-address", address, "--lease-s", "60")
        process = Process(
            ["dispatcher", *wanted],
            folder / "log",
            {"GROUPING_TRAINERS": str(folder / "trainers.toml"), **token},
        )
        stack.callback(process.stop)
        yield Cluster(store, folder, process, address, token)


@pytest.fixture(scope="module")
def expected() -> Mapping[object, object]:
    """Every score of such a job, by the formula, without Ray."""
    return by_formula(0.5)


def by_formula(rate: float) -> Mapping[object, object]:
    """The scores of the four networks of one task, and of the two together, by the formula."""
    code: dict[str, Any] = {}
    exec(LOSSES, code)
    pair = ("digit", "loop")
    return {
        (group, size, seed): code["losses"](group, seed, size, rate)["validation"]
        for group, size in ((pair[:1], 0.5), (pair[1:], 0.5), (pair[:1], 1.0), (pair[1:], 1.0), (pair, 1.0))
        for seed in (0, 1)
    }


@pytest.mark.parametrize("name", ["function", "class", "command"])
def test_functions_classes_and_commands_are_trained_on_ray_cell_by_cell(
    cluster: Cluster, expected: Mapping[object, object], name: str
) -> None:
    assert cluster.cells(cluster.job(name)) == expected


def test_costs_of_sizes_are_measured_where_the_networks_are_trained(
    cluster: Cluster, expected: Mapping[object, object]
) -> None:
    half = SizeVariant("half", 0.5, width=0.5, is_to_be_measured=True)
    job = cluster.job("command", (SizeVariant("full", 1.0), half))
    assert cluster.cells(job) == expected
    assert job.spec.sizes[1] == replace(half, cost=0.25, is_to_be_measured=False)


def test_parameters_of_a_job_reach_the_trainings(cluster: Cluster, expected: Mapping[object, object]) -> None:
    more = cluster.cells(cluster.job("command", rate=0.75))
    assert more.keys() == expected.keys()
    assert cluster.cells(cluster.job("function", rate=0.75)) == more == by_formula(0.75)


@pytest.mark.parametrize("name", ["shipped", "shipped-command"])
def test_what_is_shipped_is_what_trains_on_every_node(
    cluster: Cluster, expected: Mapping[object, object], name: str
) -> None:
    job = cluster.job(name)
    assert cluster.cells(job) == expected
    logs = cluster.logs(job)
    assert all("runtime_resources/working_dir_files" in log for log in logs), "a copy of the folder"
    assert all("runtime_resources/py_modules_files" in log for log in logs), "and of the package"
    assert not any(str(cluster.folder) in log for log in logs)
    if name == "shipped":
        assert len({line for log in logs for line in log.splitlines() if line.startswith("node ")}) == 2


def test_a_training_with_bundles_starts_its_workers_in_its_group(
    cluster: Cluster, expected: Mapping[object, object]
) -> None:
    job = cluster.job("group")
    assert cluster.cells(job) == expected
    assert set(cluster.logs(job)) == {"3 bundles, nodes 1"}


def test_a_runtime_env_that_cannot_be_set_up_fails_the_job_with_the_reason(cluster: Cluster) -> None:
    job = cluster.job("unfit")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.startswith("Ray could not set up the runtime_env of the workers")
    assert "archive" in job.error or "smart_open" in job.error


ON_RAY = """
import sys
from pathlib import Path

from grouping.errors import TrainingError
from grouping_workers.on_ray.search_executor import OnRay
from tests.troubled_trainer import NAMES, Troubled, Troubles, new_search

folder, address = Path(sys.argv[1]), sys.argv[2]


def troubles(name, **what):
    (folder / name).mkdir()
    return Troubles(folder / name, **what)


def told(search):
    return {trial.key: (trial.state, frozenset(trial.scores)) for trial in search.state.trials}


def refused(**what):
    try:
        new_search().run(Troubled(troubles(next(iter(what)), **what)), executor="ray", workers=2)
    except TrainingError as error:
        return str(error)


undisturbed, search, late = new_search(), new_search(), new_search()
undisturbed.run(Troubled(troubles("undisturbed")))
dying = troubles("dying", deaths={"a": 1, "a+b": 2})
search.run(Troubled(dying), executor="ray", workers=2)
assert told(search) == told(undisturbed) != {}
n_seeds = sum(trial.network.name(NAMES) == "a" for trial in search.state.trials)
assert len(dying.starts("a")) == n_seeds + 1
late.run(Troubled(troubles("late", hangs=frozenset({"b+c"})), deadline_s=0.5), executor=OnRay(2, address))
scores = late.scores()
assert [n.name(NAMES) for n, whole in zip(scores.networks, scores.is_complete) if not whole] == ["b+c"]
assert "ValueError: no gradient in a+b" in refused(raises=frozenset({"a+b"}))
assert "ValueError: no data" in refused(is_built=False)
print("as in processes")
"""


def test_search_run_on_ray_joins_the_cluster_and_gives_the_same_scores(
    cluster: Cluster, tmp_path: Path
) -> None:
    script = tmp_path / "search.py"
    script.write_text(ON_RAY)
    environment = {
        **os.environ,
        **cluster.token,
        "RAY_ADDRESS": cluster.address,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), cluster.address],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["as in processes"], done.stderr[-3000:]
