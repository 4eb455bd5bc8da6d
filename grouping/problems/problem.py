"""A problem: tasks on one data set, with the recipe that suits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grouping.data_sets.findings import Finding
from grouping.domain.tasks import Task, check_name
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError
from grouping.recipes.losses_and_metrics import complete_task

DATA_SEED = 0
"""The split is the same wherever a problem is trained on, so that scores of two jobs may be compared."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that networks can be trained on. Describing it loads no data.

    Attributes:
        name: unique among the problems of an installation.
        title: one line for people.
        description: a paragraph for people: the data, the tasks, where it comes from.
        tasks: in canonical order; their losses and metrics get the parameters that are left out.
        loader: makes the data set from a seed; the same seed gives the same arrays.
        recipe: used unless a job brings its own.
        findings: what to look at in the data before training, where that is known.
        most_splits: number of splits of the data there are: `load` makes one of each number. All have the
            validation rows of the first, on which networks are chosen, and as many test and training rows.
        n_splits: number of splits that a job has unless it says how many.
    """

    name: str
    title: str
    description: str
    tasks: tuple[Task, ...]
    loader: Callable[[int], Dataset] = field(repr=False)
    recipe: Recipe = field(default_factory=Recipe)
    findings: tuple[Finding, ...] = ()
    most_splits: int = 1
    n_splits: int = 1

    def __post_init__(self) -> None:
        check_name(self.name, "problem")
        if not self.tasks:
            raise InvalidInputError(f"Problem {self.name!r} has no tasks.")
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise InvalidInputError(f"Problem {self.name!r}: task names must be unique.")
        object.__setattr__(self, "tasks", tuple(complete_task(task) for task in self.tasks))

    def load(self, seed: int = 0) -> Dataset:
        """Load the data set and its split, both fixed by the seed.

        Args:
            seed: seed of the data; with `most_splits` of more than 1, the number of the split, from 0.

        Raises:
            InvalidInputError: if the data does not fit the tasks.
        """
        dataset = self.loader(seed)
        dataset.check_tasks(self.tasks)
        return dataset
