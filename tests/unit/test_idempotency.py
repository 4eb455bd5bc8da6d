"""A key of an older version stays valid: a later field changes no digest while it has its default."""

from __future__ import annotations

from typing import Any

import pytest

from grouping.use_cases.idempotency import (
    FIRST_OF_CLONE,
    FIRST_OF_GROUPING,
    FIRST_OF_JOB,
    counted,
    digest_of,
)
from grouping.wire.base_types import Input
from grouping.wire.requests import CloneRequest, JobRequest
from grouping.wire.solving import GroupingRequest


class _LaterRecipe(Input):
    epochs: int | None = None
    warmth: float | None = None


class _LaterJob(Input):
    problem: str
    recipe: _LaterRecipe = _LaterRecipe()
    patience: int = 2


@pytest.mark.parametrize(
    ("asked", "digest"),
    [
        ({"problem": "digits"}, "1ffbb642d6a4"),
        (
            {
                "problem": "digits",
                "budgets_snt": [1, 2],
                "recipe": {"epochs": 3, "hidden": [4]},
                "training_budget": {"trainings": 5},
            },
            "aeec335af621",
        ),
        (
            {
                "problem": "digits",
                "trainer": {"name": "x"},
                "reuse_jobs": ["a" * 32],
                "recipe": {"precision": "bfloat16", "sharing": {"name": "hard"}},
            },
            "fc3b9d9ca88d",
        ),
        ({"problem": "digits", "strategy": {"name": "hoa"}, "weights": {"digit": 2.0}}, "226847d44d06"),
    ],
)
def test_digests_of_jobs_are_those_that_databases_hold(asked: dict[str, Any], digest: str) -> None:
    assert digest_of(counted(JobRequest.model_validate(asked), FIRST_OF_JOB)).startswith(digest)


def test_digests_of_clones_and_groupings_are_those_that_databases_hold() -> None:
    clone = CloneRequest.model_validate({"add_tasks": ["a"], "recipe": {"epochs": 2}})
    grouping = GroupingRequest.model_validate(
        {"budget_snt": 2, "constraints": {"together": [["a", "b"]]}, "k": 3}
    )
    assert digest_of({"clone": "1", **counted(clone, FIRST_OF_CLONE)}).startswith("bec78b353b8f")
    assert digest_of(["1", counted(grouping, FIRST_OF_GROUPING)]).startswith("51418b73ef6d")


def test_a_later_field_counts_where_it_differs_from_its_default_and_only_there() -> None:
    def of(**asked: Any) -> dict[str, Any]:
        return counted(_LaterJob.model_validate({"problem": "digits", **asked}), FIRST_OF_JOB)

    assert of() == {"problem": "digits", "recipe": {"epochs": None}}
    assert of(patience=2, recipe={"warmth": None}) == of()
    assert of(patience=3) == {**of(), "patience": 3}
    assert of(recipe={"warmth": 0.5}) == {"problem": "digits", "recipe": {"epochs": None, "warmth": 0.5}}
