"""What a job costs, on the command line and from Python, against a real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from grouping.client import Client
from grouping.domain.jobs.job import JobState
from grouping.errors import GroupingError
from tests.e2e.test_commands import grouping
from tests.services import Service, service

pytestmark = pytest.mark.slow

SMALL = ["digits", "--task", "digit", "--task", "loop", "--seeds", "1", "--confirm", "0", "--epochs", "2"]
SMALL += ["--strategy", "exhaustive"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service")) as found:
        yield found


def test_a_dry_run_tells_the_cost_and_submits_nothing(running: Service) -> None:
    shown = grouping("run", *SMALL, "--max-trainings", "4", "--dry-run", server=running.url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "exhaustive *" in shown.stdout
    assert "exhaustive takes 5 trainings, 0 of them to confirm" in shown.stdout
    assert "does not fit into the training budget" in shown.stdout
    assert "There is no basis for a time yet" in shown.stdout
    told = json.loads(grouping("run", *SMALL, "--dry-run", "--json", server=running.url).stdout)
    assert told["total"]["upper"]["trainings"] == 5
    with Client(running.url) as client:
        assert client.request("GET", "/v1/jobs")["items"] == []


def test_a_clone_with_one_more_task_trains_only_what_differs_and_says_so(running: Service) -> None:
    first = grouping("run", *SMALL, server=running.url)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "5 of 5 networks trained in the search: as many epochs as an exhaustive one takes." in first.stdout
    assert "Spent in all: 5 trainings, 10 epochs" in first.stdout
    with Client(running.url) as client:
        source = client.request("GET", "/v1/jobs")["items"][0]["id"]
    shown = grouping("clone", source, "--add-task", "edges", "--json", server=running.url)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = json.loads(shown.stdout)
    assert told["job"]["spec"]["tasks"] == ["digit", "loop", "edges"]
    assert (told["ledger"]["charged"]["trainings"], told["ledger"]["reused"]["trainings"]) == (5, 5)
    again = grouping("run", *SMALL, "--reuse", source, server=running.url)
    assert "5 trainings copied from other jobs" in again.stdout
    assert "Spent in all: 0 trainings" in again.stdout
    refused = grouping("clone", source, "--drop-task", "scene", server=running.url)
    assert refused.returncode == 2
    assert "no task 'scene' to drop" in refused.stderr


def test_the_client_estimates_clones_and_reads_the_ledger(running: Service) -> None:
    with Client(running.url) as client:
        request: dict[str, Any] = {
            "problem": "digits",
            "tasks": ["digit"],
            "n_seeds": 1,
            "n_confirmation_seeds": 0,
            "strategy": {"name": "exhaustive"},
        }
        job = client.submit(**request, recipe={"epochs": 2}).wait()
        told = client.estimate(workers=2, **request, recipe={"epochs": 4})
        assert told.basis.trainings >= 2
        assert told.total.upper.seconds is not None
        assert told.wall_seconds_upper == pytest.approx(told.total.upper.seconds / 2)
        ledger = job.ledger()
        assert [row.trainings for row in ledger.items] == [1, 1]
        clone = job.clone(add_tasks=["loop"], budgets_snt=[1.0]).wait()
        assert clone.state is JobState.SUCCEEDED
        assert clone.ledger().reused.trainings == 2
        with pytest.raises(GroupingError, match="no task"):
            job.clone(add_tasks=["nothing"])
