"""Answers about problems, strategies, methods, losses, metrics and the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import Field

from grouping.domain.access import Scope
from grouping.domain.tasks import Direction, TaskKind
from grouping.domain.trainings.recipes import Part
from grouping.wire.base_types import Output
from grouping.wire.jobs import RecipeOut
from grouping.wire.scores import TaskOut


class FindingOut(Output):
    """Something to look at in the data of a problem before training."""

    code: str = Field(description="Stable name of the kind of finding, for programs.")
    sentence: str
    subjects: list[str] = Field(description="Tasks or columns that it is about.")


class ProblemItem(Output):
    """A problem that networks can be trained on."""

    name: str
    title: str
    description: str
    tasks: list[TaskOut]
    recipe: RecipeOut
    findings: list[FindingOut] = Field(
        description="What to look at in the data before training; only of problems made of stored tables."
    )


class UnavailableItem(Output):
    """An installed plug-in that cannot be used; the log of the service tells why."""

    name: str
    distribution: str | None


Item = TypeVar("Item", bound=Output)


class ListOf(Output, Generic[Item]):
    """All of one kind in this installation, built-in ones first."""

    items: list[Item]
    unavailable: list[UnavailableItem]


class ProblemList(ListOf[ProblemItem]):
    """All problems of this installation, built-in ones first."""


class NamedItem(Output):
    """An item that a job names: its name, its title for people, and the parameters it takes."""

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]


class StrategyItem(NamedItem):
    """A strategy, with the JSON Schema of its parameters."""


class StrategyList(ListOf[StrategyItem]):
    """All strategies of this installation, built-in ones first."""


class TrainerItem(NamedItem):
    """A trainer, with the JSON Schema of its parameters."""

    measures_affinities: bool = Field(description="Whether strategies can have it measure affinities.")
    origin: str = Field(description="Where it is from: built in, a distribution with its version, or a file.")
    scope: Scope = Field(description="What a token has to allow to submit a job with it.")


class TrainerList(ListOf[TrainerItem]):
    """All trainers of this installation, the built-in one first."""


class MethodItem(NamedItem):
    """A method for one part of a recipe, with the JSON Schema of its parameters."""

    source: str = Field(description="The paper it comes from; empty for what needs none.")


class LossItem(MethodItem):
    """A loss that a task may be trained on, with the JSON Schema of its parameters."""

    kinds: list[TaskKind] = Field(description="The kinds of tasks that it fits.")


class LossList(ListOf[LossItem]):
    """All losses of this installation, built-in ones first."""


class MetricItem(LossItem):
    """A metric that a task may be reported by, with the JSON Schema of its parameters."""

    unit: str
    direction: Direction


class MetricList(ListOf[MetricItem]):
    """All metrics of this installation, built-in ones first."""


class RecipePart(ListOf[MethodItem]):
    """The methods that may be chosen for one part of a recipe, built-in ones first."""

    part: Part


class RecipeMethods(Output):
    """Every part of a recipe, in the order of a recipe's fields."""

    items: list[RecipePart]


class Health(Output):
    """Answer of a process that is alive."""

    status: str


class Readiness(Output):
    """Answer of a service that can work."""

    status: str
    dispatchers: int = Field(
        description="Dispatchers at work, heard from within 30 s. Without any, jobs are accepted and wait."
    )


class Version(Output):
    """Version of the running program."""

    version: str
    api: str
