"""Losses and metrics by name: what is known, what fits a task, what is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from grouping.domain.tasks import Direction, Loss, Metric, Task, TaskKind
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json
from grouping.problems.problem import Problem
from grouping.problems.registry import list_problems
from grouping.recipes import (
    LossInfo,
    MetricInfo,
    complete_task,
    list_losses,
    list_metrics,
    named_loss,
    named_metric,
)
from grouping.recipes.losses import LOSSES
from grouping.recipes.metrics import METRICS
from grouping.store.codec import task_from_json, task_to_json
from grouping.store.reuse_sources import definition_of
from grouping.training.implementations import implementation_of

HUBER = Task.regression("a", loss=named_loss("huber", delta=2), metric=named_metric("mae"))


def problem_of(*tasks: Task) -> Problem:
    return Problem("p", "P", "P.", tasks, lambda seed: pytest.fail("not loaded"))


@pytest.mark.parametrize("declaration", [*LOSSES, *METRICS], ids=lambda declaration: declaration.name)
def test_both_halves_of_a_loss_or_metric_are_in_files_of_its_name(declaration: Any) -> None:
    assert declaration.__module__.rpartition(".")[2] == declaration.name
    found = implementation_of(declaration(), "loss or metric")
    assert found.__module__.rpartition(".")[2] == declaration.name


def test_every_loss_and_metric_says_what_it_is_and_describes_its_parameters() -> None:
    infos: list[LossInfo | MetricInfo] = [*list_losses(), *list_metrics()]
    for info in infos:
        assert info.title
        assert info.kinds
        assert info.description.endswith(".")
        for schema in info.parameters["properties"].values():
            assert schema["description"]
            assert "default" in schema


def test_every_kind_of_task_has_a_loss_and_a_metric() -> None:
    trainable = set(TaskKind) - {TaskKind.UNSPECIFIED}
    assert {kind for info in list_losses() for kind in info.kinds} == trainable
    assert {kind for info in list_metrics() for kind in info.kinds} == trainable


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (
            Task.binary("a", metric=Metric("auc", Direction.HIGHER_IS_BETTER)),
            "Task 'a': There is no metric named 'auc'. Known: accuracy, .*roc_auc",
        ),
        (Task.regression("a", loss=Loss("hubert")), "no loss named 'hubert'. Known: .*huber, poisson"),
        (
            Task.regression("a", loss=Loss("cross_entropy")),
            "'cross_entropy' does not fit its kind, regression. Built in for that kind: squared_error, abs",
        ),
        (
            Task.multiclass("a", 3, metric=named_metric("roc_auc")),
            "'roc_auc' does not fit its kind, multiclass. Built in .*: accuracy, balanced_accuracy, f1",
        ),
        (
            Task.regression("a", metric=Metric("mae", Direction.HIGHER_IS_BETTER)),
            "says higher_is_better, and is lower_is_better",
        ),
        (Task.regression("a", loss=Loss("huber", (("delta", -1),))), "cannot use its parameter delta"),
        (Task.regression("a", loss=Loss("huber", (("deltas", 1),))), "does not know deltas: .* are delta"),
        (Task("a", TaskKind.BINARY), "no loss to be trained on. Built in .*: binary_cross_entropy"),
        (Task("a"), "no loss to be trained on. Give it a kind first"),
    ],
)
def test_a_problem_refuses_what_cannot_be_computed_when_it_is_described(task: Task, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        problem_of(Task.binary("other"), task)


def test_a_loss_or_metric_that_is_a_bare_text_is_refused_by_the_task() -> None:
    with pytest.raises(InvalidInputError, match=r"Loss\('huber'\)"):
        Task.regression("a", loss="huber")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="named_metric"):
        Task.regression("a", metric="mae")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1], None])
def test_a_parameter_that_is_no_plain_value_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="'delta' of the loss 'huber' must be"):
        Loss("huber", (("delta", value),))


def test_names_are_looked_up_with_the_direction_that_is_declared() -> None:
    assert named_metric("mae") == Metric("mae", Direction.LOWER_IS_BETTER)
    assert named_loss("quantile", quantile=0.9) == Loss("quantile", (("quantile", 0.9),))
    with pytest.raises(UnknownNameError, match="roc_auc"):
        named_metric("auc")


def test_a_problem_completes_parameters_and_changes_nothing_else() -> None:
    (task,) = problem_of(Task.regression("a", loss=Loss("huber"))).tasks
    assert task == Task.regression("a", loss=Loss("huber", (("delta", 1.0),)))
    assert complete_task(task) == task
    for problem in list_problems():
        assert all(not task.loss.parameters for task in problem.tasks)


STORED = {
    "name": "edges",
    "kind": "dense_map",
    "loss": "squared_error",
    "metric": {"name": "r2", "direction": "higher_is_better"},
    "weight": 1.0,
    "n_outputs": 64,
}


def test_tasks_are_stored_as_before_they_had_parameters() -> None:
    task = Task.dense_map("edges", 64)
    stored = json.loads(json.dumps(task_to_json(task)))
    assert stored == STORED
    assert definition_of(stored) == {key: value for key, value in STORED.items() if key != "weight"}
    assert task_from_json(STORED) == task
    assert tasks_from_json([STORED], "/tasks") == (task,)


def test_parameters_are_stored_and_exported_and_part_of_the_definition() -> None:
    stored = json.loads(json.dumps(task_to_json(HUBER)))
    assert (stored["loss"], stored["loss_parameters"]) == ("huber", {"delta": 2.0})
    assert task_from_json(stored) == HUBER
    assert tasks_from_json(json.loads(json.dumps(tasks_to_json((HUBER,)))), "/tasks") == (HUBER,)
    other = task_to_json(Task.regression("a", loss=named_loss("huber"), metric=named_metric("mae")))
    assert definition_of(stored) != definition_of(other)


def test_stored_and_imported_tasks_may_name_what_is_not_installed_here() -> None:
    document = STORED | {
        "loss": "of another plug-in",
        "loss_parameters": {"k": 3},
        "metric": {"name": "psnr", "direction": "higher_is_better", "parameters": {"peak": 1.5}},
    }
    task = task_from_json(document)
    assert tasks_from_json([document], "/tasks") == (task,)
    assert task_to_json(task) == document
    with pytest.raises(InvalidInputError, match="of another plug-in"):
        problem_of(task)


@pytest.mark.parametrize(
    ("key", "value"), [("loss", 7), ("loss", ""), ("loss_parameters", [1]), ("loss_parameters", {"k": [1]})]
)
def test_an_import_refuses_a_loss_that_is_none(key: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match="loss"):
        tasks_from_json([STORED | {key: value}], "/tasks")


def test_listing_losses_and_metrics_imports_neither_torch_nor_scipy_nor_scikit_learn() -> None:
    code = "import sys; from grouping.recipes import *; list_losses(); list_metrics()\n"
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
