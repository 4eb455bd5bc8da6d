"""A bundle over HTTP: in this process, and by its command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from grouping.bundle.serving import MAX_BODY_BYTES, MAX_ROWS, create_app
from tests.bundles import Made, made_of_arrays, made_of_table
from tests.patience import wait_for
from tests.services import free_port
from tests.unit.test_bundle_equality import DATASET, RECIPE
from tests.unit.test_bundle_tables import DEFINITION, customers
from tests.unit.test_training_loop import TASKS

pytestmark = pytest.mark.usefixtures("one_thread")

ROW = {"age": 41, "city": "Ulm", "member": True, "day": "2024-05-01"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of_table(tmp_path_factory.mktemp("bundle"), customers(), DEFINITION)


@pytest.fixture
def client(made: Made) -> TestClient:
    return TestClient(create_app(made.bundle))


def test_rows_are_answered_as_in_python(made: Made, client: TestClient) -> None:
    answer = client.post("/predict", json={"rows": [ROW, {**ROW, "age": None}], "probabilities": True})
    assert answer.status_code == 200, answer.text
    wanted = made.bundle.predict([ROW, {**ROW, "age": None}], probabilities=True)
    found = answer.json()["predictions"]
    assert len(found) == 2
    for row, told in zip(found, wanted.to_dict("records"), strict=True):
        assert row == pytest.approx(told)
    assert found[0]["bought"] in ("yes", "no")


def test_the_schema_says_what_rows_have_to_be(client: TestClient) -> None:
    told = client.get("/schema").json()
    assert told["reads"] == {
        "columns": {"age": "number", "city": "category", "member": "number", "day": "date"}
    }
    assert [one["task"] for one in told["answers"]] == ["price", "bought", "plan", "body"]
    assert told["answers"][2]["labels"] == ["free", "plus", "pro"]
    assert told["answers"][3]["columns"] == ["age_at_start", "height"]


def test_what_does_not_fit_is_refused_and_counted(client: TestClient) -> None:
    for rows, said in (
        ([{"age": 3}], "lacks columns 'city'"),
        ([[1, 2]], "as an object by column"),
        ([{**ROW, "age": "old"}], "'age' is to hold numbers"),
    ):
        answer = client.post("/predict", json={"rows": rows})
        assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    for body, said in (
        ({"rows": []}, "body.rows: List should have at least 1 item"),
        ({"rows": [ROW], "other": 1}, "body.other: Extra inputs"),
        ({"rows": [{"age": "not to be sent back"}] * (MAX_ROWS + 1)}, "at most 10000 items"),
    ):
        answer = client.post("/predict", json=body)
        assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
        assert "not to be sent back" not in answer.text
    client.post("/predict", json={"rows": [ROW] * 3})
    metrics = client.get("/metrics").text
    assert "bundle_refused_total 6.0" in metrics
    assert "bundle_rows_total 3.0" in metrics
    assert "bundle_prediction_seconds_count 1.0" in metrics


def test_bodies_are_limited(client: TestClient) -> None:
    huge = client.post("/predict", content=b"{}", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
    assert huge.status_code == 413
    assert client.post("/predict", content=iter([b"{}"])).status_code == 411


def test_rows_of_numbers_are_answered_too(tmp_path: Path) -> None:
    bundle = made_of_arrays(tmp_path, DATASET, TASKS, RECIPE).bundle
    client = TestClient(create_app(bundle))
    assert client.get("/schema").json()["reads"] == {"n_features": 6}
    answer = client.post("/predict", json={"rows": [[0.0] * 6]})
    assert answer.json()["predictions"][0] == pytest.approx(
        bundle.predict(np.zeros((1, 6))).to_dict("records")[0]
    )
    assert client.post("/predict", json={"rows": [[0.0] * 5]}).status_code == 422


@contextmanager
def serving(command: list[str], health: str, **environment: str) -> Iterator[None]:
    """A process that serves within the block: it answers before it, and is told to end after it."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def answers() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            return httpx.get(health).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "the service of the bundle", 120)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_end(made: Made) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "grouping.cli", "serve-bundle", str(made.folder), "--port", str(port)]
    with serving(command, f"{url}/healthz"):
        assert len(httpx.post(f"{url}/predict", json={"rows": [ROW]}).json()["predictions"]) == 1


ON_RAY = """
import signal, sys
from grouping_workers.dispatch.private_cluster import SESSIONS, private_surroundings
with private_surroundings(None) as folder:
    import ray
    from grouping_workers.on_ray.cluster import connect
    (folder / "empty").mkdir()
    connect(None, 2, str(folder / "empty"), str(folder / SESSIONS))
    from ray import serve
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
        from serve_bundle import app
        serve.run(app)
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()
"""


@pytest.mark.slow
def test_the_example_answers_on_ray_serve_as_in_python(made: Made) -> None:
    pytest.importorskip(
        "ray.serve",
        reason="Ray Serve is not installed: its event loop and agents of Ray would change every other test; "
        "make rayserve runs this one",
    )
    example = Path(__file__).parents[2] / "examples" / "bundle_on_ray_serve"
    url = f"http://127.0.0.1:{(port := free_port())}"
    told = {"BUNDLE": str(made.folder), "PYTHONPATH": str(example)}
    with serving([sys.executable, "-c", ON_RAY, str(port)], f"{url}/-/healthz", **told):
        wanted = made.bundle.predict([ROW]).to_dict("records")
        found = httpx.post(url, json={"rows": [ROW]}, timeout=60).json()
        assert found == [pytest.approx(row) for row in wanted]
        refused = httpx.post(url, json={"rows": [{"city": "Ulm"}]}, timeout=60).json()
        assert "age" in refused["error"]
