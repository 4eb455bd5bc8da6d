"""What a bundle is made of beside weights: the data of a job, its tasks, and how rows become inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grouping.bundle.inputs import ArrayInputs, Inputs, TableInputs
from grouping.data_sets.definitions import Target
from grouping.data_sets.folder import DefinedProblem
from grouping.domain.jobs.job import Job
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import BuiltInParameters, Recipe
from grouping.problems.from_tables import find_defined
from grouping.problems.problem import DATA_SEED, Problem
from grouping.problems.registry import discover_problems, get_problem
from grouping.trainers.built_in import recipe_of


@dataclass(frozen=True, slots=True)
class BundleSource:
    """Data of a job, and how its rows are read.

    Attributes:
        title: what the networks predict, in a line.
        tasks: the tasks of the job, in the order of the problem.
        dataset: inputs, targets and split.
        recipe: recipe in use.
        inputs: how rows of the user become inputs.
        test_rows: the test rows as a user has them: a table, or an array of inputs.
        labels: texts of the classes of each task that has some.
        columns: columns of each task that has several.
    """

    title: str
    tasks: tuple[Task, ...]
    dataset: Dataset = field(repr=False)
    recipe: Recipe
    inputs: Inputs
    test_rows: Any = field(repr=False)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def source_of(job: Job) -> BundleSource:
    """Return the source of a job of the built-in trainer, on its first split.

    Args:
        job: the job.

    Raises:
        UnknownNameError: if there is no such problem any more.
        DataSetError: if its table is gone.
    """
    problem = get_problem(job.spec.problem)
    weights = job.spec.weights
    tasks = tuple(
        task.with_weight(weights.get(task.name, task.weight))
        for task in problem.tasks
        if task.name in job.spec.tasks
    )
    share = BuiltInParameters.from_mapping(job.spec.trainer_parameters).train_share
    dataset = problem.load(DATA_SEED).on_share(share, DATA_SEED)
    recipe = recipe_of(job)
    found = None if _is_installed(problem) else find_defined(problem.name)
    if found is None:
        inputs = ArrayInputs(int(dataset.inputs.shape[1]))
        return BundleSource(problem.title, tasks, dataset, recipe, inputs, dataset.inputs[dataset.test])
    folder, defined = found
    targets = {task.name: _target_of(defined, task.name) for task in tasks}
    return BundleSource(
        problem.title,
        tasks,
        dataset,
        recipe,
        TableInputs(folder.fitted(defined)),
        folder.frame(defined.data_set).iloc[dataset.test],
        {task: defined.classes.get(target.label, ()) for task, target in targets.items()},
        {task: target.columns for task, target in targets.items() if len(target.columns) > 1},
    )


def _is_installed(problem: Problem) -> bool:
    return any(problem.name == known.name for known in discover_problems().found)


def _target_of(defined: DefinedProblem, task: str) -> Target:
    """Return the target that a task was made of; by a task column a target makes several tasks."""
    targets = defined.definition.targets
    if len(targets) == 1:
        return targets[0]
    own = [target for target in targets if task == target.label]
    own += [target for target in targets if task.startswith(f"{target.label}, ")]
    return own[0]
