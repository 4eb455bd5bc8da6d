"""Digests of the parts of data: what changes which, and what a job of the built-in trainer settles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.trainings.datasets import DataDigests
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping.trainers import LocalPool
from grouping.trainers.built_in import BuiltIn
from grouping.trainers.registry import terms_of_job
from grouping.trainers.trainer import TrainerJob
from tests.recipes import by
from tests.unit.test_training_loop import TASKS, make_dataset


def test_each_part_changes_its_own_digest() -> None:
    dataset = make_dataset()
    names = [task.name for task in TASKS]
    digests = dataset.digests(names)
    targets = {**dataset.targets, "sum": dataset.targets["sum"] + 1, "new": dataset.targets["sign"]}
    relabelled = replace(dataset, targets=targets).digests(names)
    assert (relabelled.inputs, relabelled.split) == (digests.inputs, digests.split)
    assert {n for n in names if relabelled.targets[n] != digests.targets[n]} == {"sum"}
    assert replace(dataset, inputs=dataset.inputs + 1).digests(names).split == digests.split
    assert replace(dataset, inputs=dataset.inputs + 1).digests(names).inputs != digests.inputs
    moved = replace(dataset, train=np.concatenate([dataset.train, dataset.test[:1]]), test=dataset.test[1:])
    assert (moved.digests(names).inputs, moved.digests(names).split == digests.split) == (
        digests.inputs,
        False,
    )
    assert dataset.digest() == make_dataset().digest() != replace(dataset, targets=targets).digest()


@pytest.mark.parametrize(("sampling", "is_same"), [("rows", True), ("by-task", False)])
def test_a_job_settles_digests_which_hold_for_jobs_with_other_tasks(
    sampling: str, is_same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset()
    problem = Problem("rooms", "Rooms", "", TASKS, lambda seed: dataset)
    monkeypatch.setattr("grouping.trainers.built_in.get_problem", lambda name: problem)
    assert get_problem is not None
    parameters = by(Recipe(hidden=(4,), epochs=1, sampling=Method(sampling)))

    def settled(*tasks: str) -> DataDigests:
        terms = terms_of_job(JobSpec(problem="rooms", tasks=tasks))
        session = BuiltIn(TrainerJob("rooms", tasks, terms, parameters))
        found = BuiltIn.data_digests(session.prepare(LocalPool()).settled)
        assert found is not None
        return found

    few, more = settled("class", "sign"), settled("class", "sign", "sum")
    assert few.inputs == more.inputs
    assert (few.split == more.split) is is_same
    assert few.targets == {name: more.targets[name] for name in ("class", "sign")}
