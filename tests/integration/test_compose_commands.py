"""The commands of docker-compose.yml, run as plain processes: PostgreSQL, two Ray nodes, API, dispatcher."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import httpx
import pytest
import yaml

from grouping.client import Client, ServiceError
from grouping.domain.jobs.job import JobState
from tests.patience import slowness, wait_for
from tests.services import descendants, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TOKEN = secrets.token_hex(16)


class Compose:
    """Commands of the compose file with this machine's addresses in place of the containers'."""

    def __init__(self, postgres_url: str, folder: Path) -> None:
        self._services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self._folder = folder
        self._ray_port = free_port()
        self.api_port = free_port()
        self._settings = {
            "GROUPING_DATABASE_URL": postgres_url,
            "GROUPING_API_TOKEN": TOKEN,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_HEAD_ADDRESS": f"127.0.0.1:{self._ray_port}",
        }
        self._environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **self._settings}

    def command(self, service: str) -> list[str]:
        """The command of a service, its addresses replaced, as this machine runs it."""
        words = [str(word) for word in self._services[service]["command"]]
        replacements = {
            "0.0.0.0": "127.0.0.1",
            "8000": str(self.api_port),
            "--port=6379": f"--port={self._ray_port}",
            "--address=ray-head:6379": f"--address=127.0.0.1:{self._ray_port}",
        }
        words = [replacements.get(word, re.sub(r"\$\{WORKER_CPUS:-\d+\}", "1", word)) for word in words]
        return self.placed(service, words)

    def placed(self, service: str, words: list[str]) -> list[str]:
        """What runs a command of a service: the same program of this environment."""
        if words[0] == "grouping-dispatcher":
            return ["bash", str(ROOT / "deploy" / "dispatcher.sh"), *words[1:]]
        return [str(BIN / words[0]), *words[1:]]

    def run(self, service: str) -> None:
        """Run a one-shot service to its end."""
        subprocess.run(self.command(service), env=self._environment, check=True)

    @contextmanager
    def running(self, service: str) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a service running, with its output in a file."""
        with (self._folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(service),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(45 * slowness())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    @contextmanager
    def running_node(self, number: int) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a Ray worker running, from when it has joined: nodes of one machine must start in turn."""
        log = self._folder / "ray-worker.log"
        with self.running("ray-worker") as process:
            wait_for(lambda: log.read_text().count("will now block") == number, f"node {number} joining")
            yield process

    def is_healthy(self) -> bool:
        """The health check of the Ray head."""
        words = ["ray", "health-check", "--address", f"127.0.0.1:{self._ray_port}"]
        check = self.placed("ray-head", words)
        return subprocess.run(check, env=self._environment, capture_output=True, check=False).returncode == 0


class Images(Compose):
    """The same commands within the images, as a user that they do not know, built by `make images`.

    Buildah runs them with the network of this machine, where a compose stack has its own.
    """

    UNKNOWN = "23456"

    def __init__(self, postgres_url: str, folder: Path) -> None:
        super().__init__(postgres_url, folder)
        self._containers: dict[str, str] = {}
        self._volumes = {"scratch": folder / "scratch", "data": folder / "data"}
        for volume in self._volumes.values():
            volume.mkdir()
            volume.chmod(0o777)

    def __enter__(self) -> Self:
        for kind in ("api", "worker"):
            image = f"localhost/mtl-grouping-{kind}"
            self._containers[kind] = _told("buildah", "from", "--pull=never", image)
        return self

    def __exit__(self, *_: object) -> None:
        for container in self._containers.values():
            _told("buildah", "rm", container)

    def placed(self, service: str, words: list[str]) -> list[str]:
        kind = "api" if "-api:" in self._services[service]["image"] else "worker"
        stated = self._services[service].get("environment", {})
        stated = {name: value for name, value in stated.items() if "$" not in str(value)}
        told = {**stated, **self._settings}
        options = [part for name, value in told.items() for part in ("--env", f"{name}={value}")]
        for name, folder in self._volumes.items():
            options += ["--volume", f"{folder}:/home/grouping/{name}"]
        run = ["buildah", "run", "--isolation", "chroot", "--user", self.UNKNOWN, *options]
        return [*run, self._containers[kind], "--", *words]


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def test_a_job_runs_on_postgresql_and_a_cluster_of_two_nodes(empty_postgres_url: str, tmp_path: Path) -> None:
    check(Compose(empty_postgres_url, tmp_path))


@pytest.mark.skipif(
    "GROUPING_TEST_IMAGES" not in os.environ, reason="make images builds them and runs this test"
)
def test_a_job_runs_in_the_images_as_a_user_that_they_do_not_know(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    tmp_path.parent.chmod(0o755)
    with Images(empty_postgres_url, tmp_path) as compose:
        check(compose)


def check(compose: Compose) -> None:
    compose.run("migrate")
    url = f"http://127.0.0.1:{compose.api_port}"
    with ExitStack() as stack:
        stack.enter_context(compose.running("api"))
        stack.enter_context(compose.running("ray-head"))
        wait_for(compose.is_healthy, "the Ray head's health")
        nodes = [stack.enter_context(compose.running_node(number)) for number in (1, 2)]
        stack.enter_context(compose.running("dispatcher"))
        wait_for(lambda: _is_ready(url), "the API's readiness")
        with Client(url) as stranger, pytest.raises(ServiceError) as refused:
            stranger.request("GET", "/v1/jobs")
        assert refused.value.status == httpx.codes.UNAUTHORIZED
        with Client(url, token=TOKEN) as client:
            job = client.submit(
                problem="digits",
                strategy={"name": "exhaustive"},
                tasks=["digit", "loop", "rotation", "edges"],
                budgets_snt=[2],
                n_seeds=3,
                n_confirmation_seeds=2,
                recipe={"epochs": 8},
            )
            for node in nodes:
                wait_for(
                    lambda node=node: any(  # type: ignore[misc]
                        "TrainingActor.train" in command for command in descendants(node.pid).values()
                    ),
                    f"a training on the node of process {node.pid}",
                    90.0,
                )
            job.wait()
            assert job.state is JobState.SUCCEEDED, job.data.error
            (recommendation,) = job.recommendations()
            assert recommendation.solution.status == "optimal"
            assert recommendation.verdict is not None
            assert recommendation.verdict.is_confirmed
            assert len(job.scores()) == 36
            for node in nodes:
                wait_for(
                    lambda node=node: (
                        not any(  # type: ignore[misc]
                            "TrainingActor" in command for command in descendants(node.pid).values()
                        )
                    ),
                    "the release of the processors for other dispatchers",
                )
