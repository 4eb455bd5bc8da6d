"""Jobs whose schedules name tasks: those of the problem are taken, others refused with their place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Api
from tests.integration.test_api_hostile import check_problem


def submit(api: Api, name: str, **parameters: Any) -> Any:
    schedule = {"name": name, "parameters": parameters}
    return api.post("/v1/jobs", json={"problem": "digits", "recipe": {"schedule": schedule}})


@pytest.mark.parametrize(
    ("name", "parameters", "pointer"),
    [
        ("continual", {"order": ["edges", "sky"]}, "/recipe/schedule/parameters/order/1"),
        ("continual", {"epoch_weights": {"sky": 2}}, "/recipe/schedule/parameters/epoch_weights/sky"),
        ("fine-tuning", {"source_task": "sky"}, "/recipe/schedule/parameters/source_task"),
        ("fine-tuning", {"source_share": 1}, "/recipe/schedule/parameters/source_share"),
    ],
)
def test_a_schedule_with_a_task_that_is_not_there_is_refused(
    api: Api, name: str, parameters: dict[str, Any], pointer: str
) -> None:
    problem = check_problem(submit(api, name, **parameters), 422)
    assert problem["errors"][0]["pointer"] == pointer


def test_a_schedule_with_tasks_of_the_problem_is_part_of_the_job(api: Api) -> None:
    answer = submit(api, "continual", order=["edges"], epoch_weights={"digit": 2})
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["trainer"]["parameters"]["recipe"]["schedule"] == {
        "name": "continual",
        "parameters": {"order": ["edges"], "epoch_weights": {"digit": 2.0}},
    }
