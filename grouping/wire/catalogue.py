"""Answers about problems, strategies, methods, losses, metrics and the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from grouping.domain.recipes import Part
from grouping.domain.tasks import Direction, TaskKind
from grouping.wire.base_types import Output
from grouping.wire.jobs import RecipeOut
from grouping.wire.scores import TaskOut


class ProblemItem(Output):
    """A problem that networks can be trained on."""

    name: str
    title: str
    description: str
    tasks: list[TaskOut]
    recipe: RecipeOut


class UnavailableItem(Output):
    """An installed plug-in that cannot be used; the log of the service tells why."""

    name: str
    distribution: str | None


class ProblemList(Output):
    """All problems of this installation, built-in ones first."""

    items: list[ProblemItem]
    unavailable: list[UnavailableItem]


class StrategyItem(Output):
    """A strategy, with the JSON Schema of its parameters."""

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]


class StrategyList(Output):
    """All strategies of this installation, built-in ones first."""

    items: list[StrategyItem]
    unavailable: list[UnavailableItem]


class MethodItem(Output):
    """A method for one part of a recipe, with the JSON Schema of its parameters."""

    name: str
    title: str
    description: str
    source: str = Field(description="The paper it comes from; empty for what needs none.")
    parameters: Mapping[str, Any]


class RecipePart(Output):
    """The methods that may be chosen for one part of a recipe, built-in ones first."""

    part: Part
    items: list[MethodItem]
    unavailable: list[UnavailableItem]


class RecipeMethods(Output):
    """Every part of a recipe, in the order of a recipe's fields."""

    items: list[RecipePart]


class LossItem(Output):
    """A loss that a task may be trained on, with the JSON Schema of its parameters."""

    name: str
    title: str
    description: str
    source: str = Field(description="The paper it comes from; empty for what needs none.")
    kinds: list[TaskKind] = Field(description="The kinds of tasks that it fits.")
    parameters: Mapping[str, Any]


class LossList(Output):
    """All losses of this installation, built-in ones first."""

    items: list[LossItem]
    unavailable: list[UnavailableItem]


class MetricItem(Output):
    """A metric that a task may be reported by, with the JSON Schema of its parameters."""

    name: str
    title: str
    description: str
    source: str = Field(description="The paper it comes from; empty for what needs none.")
    kinds: list[TaskKind] = Field(description="The kinds of tasks that it fits.")
    unit: str
    direction: Direction
    parameters: Mapping[str, Any]


class MetricList(Output):
    """All metrics of this installation, built-in ones first."""

    items: list[MetricItem]
    unavailable: list[UnavailableItem]


class Health(Output):
    """Answer of a process that is alive."""

    status: str


class Version(Output):
    """Version of the running program."""

    version: str
    api: str
