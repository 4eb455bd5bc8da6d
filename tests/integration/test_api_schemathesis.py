"""The API keeps to its description: schemathesis with every check and phase, with a token and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grouping.store import open_store
from tests.integration.conftest import Scenes, server
from tests.patience import slowness

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "tests" / "schemathesis.toml"
TOKEN = "a token of the tests"


PHASES = "examples,coverage,fuzzing,stateful"


@pytest.mark.parametrize(
    ("token", "phases", "most_examples"), [(None, "fuzzing,stateful", 1), (TOKEN, PHASES, 3)]
)
def test_every_answer_to_generated_requests_is_as_described(
    tmp_path: Path, sqlite_template: Path, token: str | None, phases: str, most_examples: int
) -> None:
    """`most_examples` are per operation and phase; with more of them it takes as many times longer."""
    shutil.copy(sqlite_template, tmp_path / "grouping.db")
    url = f"sqlite:///{tmp_path / 'grouping.db'}"
    store = open_store(url)
    Scenes(store).finished(name="done")
    store.close()
    told = {"GROUPING_DATA": str(tmp_path / "data"), **({"GROUPING_API_TOKEN": token} if token else {})}
    with server(url, tmp_path / "log", port=0, **told) as (address, _):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)),
                *("run", f"{address}/v1/openapi.json", "--url", address, "--checks", "all"),
                *("--phases", phases, "--max-examples", str(most_examples), "--generation-deterministic"),
                *(("--header", f"Authorization: Bearer {token}") if token else ()),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks",
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=900 * slowness(),
        )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "Tested: " in done.stdout
