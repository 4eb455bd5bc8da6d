"""The command that shows an affinity matrix, against an API process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.client import Client, ServiceError
from grouping.domain.affinity_methods import METHODS
from grouping.store import Store
from tests.integration.conftest import NAMES, Scenes, server
from tests.integration.test_api_overlap import masked

pytestmark = pytest.mark.slow


@pytest.fixture
def address(store: Store, sqlite_url: str, tmp_path: Path) -> Iterator[str]:
    with server(sqlite_url, tmp_path / "api.log") as (found, _):
        yield found


def test_an_overlap_is_shown_on_the_terminal_and_given_to_the_python_client(
    address: str, scenes: Scenes
) -> None:
    job, plain = masked(scenes), scenes.running()
    wanted = ["affinity", job.id, "--method", "overlap", "--server", address]
    shown = CliRunner().invoke(app, wanted)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "depth and normals overlap most (0.61); depth and edges least (0.11)."
    assert lines[1].split() == ["source", *NAMES]
    assert lines[3].split() == ["normals", "0.61", "±", "0.01", "0.16", "±", "0.01", "0.26", "±", "0.01"]
    assert METHODS["overlap"].meaning in lines[-1]
    answer = json.loads(CliRunner().invoke(app, [*wanted, "--json"]).stdout)
    with Client(address) as client:
        frame = client.job(job.id).affinity("overlap")
        with pytest.raises(ServiceError, match="needs the sharing sparse") as caught:
            client.job(plain.id).affinity("overlap")
    assert caught.value.status == 409
    assert frame.loc["depth", "normals"] == answer["values"][0][1] == pytest.approx(0.61)
    assert {
        name: frame.attrs[name] for name in ("standard_errors", "n_networks", "at_random", "meaning")
    } == {name: answer[name] for name in ("standard_errors", "n_networks", "at_random", "meaning")}


def test_a_pair_that_was_not_measured_is_a_dash_and_warnings_stand_below(
    address: str, scenes: Scenes
) -> None:
    job = scenes.running()
    shown = CliRunner().invoke(app, ["affinity", job.id, "--server", address])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[2].split() == ["depth", "-", "-", "-"]
    assert "Beware: No pair has been measured." in shown.stdout
