"""Samplings: declarations of methods that choose the rows of each gradient step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class AllRows:
    """Sampling that takes every training row once in an epoch."""

    name: ClassVar[str] = "rows"
    title: ClassVar[str] = "Every row once"
    description: ClassVar[str] = (
        "An epoch takes every training row once, in an order of its own. A task counts those rows of a step "
        "that have a label of it; each of its labels weighs the same."
    )
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.sampling.all_rows:AllRowsSampling"
    draws_by_task: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ByTask:
    """Sampling that draws rows for each task, among those with a label of it."""

    name: ClassVar[str] = "by-task"
    title: ClassVar[str] = "Rows of each task"
    description: ClassVar[str] = (
        "In each step every task of the job draws rows of its own: in proportion to the number of its labels "
        "to the power of 1 / temperature, and as many as the recipe says in the mean over the tasks. An "
        "epoch has as many steps as draw as many rows as there are labels, so rows of a task with few labels "
        "come several times."
    )
    source: ClassVar[str] = (
        "Temperature: Arivazhagan et al., Massively multilingual neural machine translation in the wild, 2019"
    )
    implementation: ClassVar[str] = "grouping.training.sampling.by_task:ByTaskSampling"
    draws_by_task: ClassVar[bool] = True

    temperature: Annotated[
        float,
        Field(
            ge=1,
            le=1e6,
            allow_inf_nan=False,
            description="1 is proportional to the number of labels, a large number is uniform: as many rows "
            "for each task.",
        ),
    ] = 1e6


SAMPLING: tuple[type[Declaration], ...] = (AllRows, ByTask)
