"""What the page on workers anywhere shows, and its examples for Slurm and Kubernetes, work as written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from grouping.client import Client
from grouping.domain.trainings.trials import TrialState
from grouping.store import Store, open_store
from tests.integration.conftest import server
from tests.patience import slowness
from tests.stand_in import planned_by_stand_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "train-on-workers-anywhere.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "examples" / "workers_anywhere"
SMALL: Mapping[str, Any] = {
    "problem": "digits",
    "tasks": ["digit", "loop"],
    "budgets_snt": [1],
    "strategy": {"name": "exhaustive"},
    "n_seeds": 1,
    "n_confirmation_seeds": 0,
    "trainer": {"name": "external", "parameters": {"data": "v1"}},
}


@pytest.fixture
def service(tmp_path: Path, sqlite_template: Path) -> Iterator[tuple[Client, Store]]:
    shutil.copy(sqlite_template, tmp_path / "grouping.db")
    url = f"sqlite:///{tmp_path / 'grouping.db'}"
    with server(url, tmp_path / "api.log") as (address, _), Client(address) as client:
        store = open_store(url)
        yield client, store
        store.close()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def run(script: str, folder: Path, client: Client) -> str:
    """Run a part of the page in the shell, with the job that an earlier part submitted."""
    script = script.replace("http://127.0.0.1:8000", client.url)
    script = script.replace("curl -s", "curl -sS --fail-with-body")
    known = 'JOB=$(python3 -c \'import json; print(json.load(open("job.json"))["id"])\')\n'
    script = (known if (folder / "job.json").exists() else "") + script
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_exchange_of_the_page_trains_and_so_does_its_function(
    service: tuple[Client, Store], tmp_path: Path
) -> None:
    client, store = service
    submit, *exchange = blocks("sh curl")
    (function,) = blocks("python client")
    run(submit, tmp_path, client)
    with planned_by_stand_in(store) as job:
        told = run("".join(exchange), tmp_path, client)
        assert '"is_cancelled":false' in told
        assert told.endswith('{"state":"succeeded"}')
        first = store.trials(job.id)[0]
        assert (first.state, first.epochs) == (TrialState.SUCCEEDED, 20)
        assert store.trial_log(job.id, first.id).text == "epoch 1 of 20\n"
        exec(compile(function.replace("http://127.0.0.1:8000", client.url), "page", "exec"), {})
        second = store.trials(job.id)[1]
        assert (second.state, second.scores[0].validation_loss) == (TrialState.SUCCEEDED, 0.3)


def slurm() -> tuple[list[str], dict[str, str]]:
    words = ["train.py", *(f"--{name}={{{name}}}" for name in ("tasks", "size", "seed", "out"))]
    told = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "3"}
    return ["bash", str(EXAMPLES / "slurm-array.sh"), "python", *words], {**told, "SLURM_CPUS_PER_TASK": "4"}


def kubernetes() -> tuple[list[str], dict[str, str]]:
    manifest = YAML(typ="safe").load(EXAMPLES / "kubernetes-job.yaml")
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert {entry["name"] for entry in container["env"]} == {"GROUPING_SERVER", "GROUPING_API_TOKEN"}
    return [*container["command"], *container["args"]], {}


@pytest.mark.parametrize("example", [slurm, kubernetes])
def test_an_example_trains_a_whole_job(service: tuple[Client, Store], tmp_path: Path, example: Any) -> None:
    client, store = service
    submitted = client.submit(**SMALL)
    command, told = example()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with planned_by_stand_in(store):
        worker = subprocess.Popen(
            command,
            cwd=EXAMPLES,
            env={**os.environ, **told, "PATH": path, "GROUPING_SERVER": client.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        submitted.wait(timeout_s=120 * slowness())
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=60 * slowness())
    assert worker.returncode == 0, output
    assert submitted.recommendations()[0].solution.grouping is not None, output
    assert {trial.state for trial in store.trials(submitted.id)} == {TrialState.SUCCEEDED}
    if told:
        started = [event.data for event in store.events(submitted.id) if event.kind == "trial_started"]
        assert {data["worker"] for data in started} == {"slurm-5-3"}
