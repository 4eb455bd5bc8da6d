"""Tasks about segments of a row: what they may read, and that older documents still load."""

from __future__ import annotations

import json

import numpy as np
import pytest

from grouping.domain.tasks import CROSS_ENTROPY, Task, TaskKind
from grouping.domain.trainings.datasets import Dataset
from grouping.errors import InvalidInputError
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json
from grouping.store.codec import task_from_json, task_to_json

TASKS = (
    Task.multiclass("topic", 5).reading(0),
    Task.binary("follows").reading(0, 1),
    Task.ranking("answer", 0, (2, 3, 4)),
    Task.regression("plain", 2),
)


def test_a_ranking_has_an_output_per_candidate_and_is_trained_on_cross_entropy() -> None:
    task = Task.ranking("answer", 1, (3, 2))
    assert (task.kind, task.loss, task.n_outputs) == (TaskKind.RANKING, CROSS_ENTROPY, 2)
    assert task.reads == (1, 3, 2)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_stored_and_exported_tasks_come_back_as_they_were(task: Task) -> None:
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task
    assert tasks_from_json(json.loads(json.dumps(tasks_to_json((task,)))), "/tasks") == (task,)


def test_a_task_without_segments_is_stored_as_before_there_were_any() -> None:
    stored = task_to_json(Task.regression("plain", 2))
    assert sorted(stored) == ["kind", "loss", "metric", "n_outputs", "name", "weight"]
    assert task_from_json(stored) == Task.regression("plain", 2)


@pytest.mark.parametrize(
    ("reads", "message"),
    [([0, 0], "different numbers"), ([-1], "different numbers"), (["0"], "whole number")],
)
def test_segments_that_make_no_sense_are_refused_in_a_file(reads: list[object], message: str) -> None:
    document = [{"name": "a", "reads": reads}]
    with pytest.raises(InvalidInputError, match=message):
        tasks_from_json(document, "/tasks")


def test_a_ranking_that_reads_another_number_of_candidates_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="ranks 3 candidates, so it reads 4 segments"):
        TASKS[2].reading(0, 2)


@pytest.mark.parametrize("bad", [-2, 3])
def test_a_ranking_whose_answer_is_no_candidate_is_refused(bad: int) -> None:
    answer = np.array([0, 1, 2, bad])
    rows = np.arange(4)
    inputs = np.zeros((4, 2), dtype=np.float32)
    dataset = Dataset(inputs, {"answer": answer}, rows[:2], rows[2:3], rows[3:])
    with pytest.raises(InvalidInputError, match=r"outside 0\.\.2"):
        dataset.check_tasks((TASKS[2],))
