"""Problems, strategies and the service itself, as they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from grouping.domain.recipes import Part
from grouping.domain.tasks import Direction, TaskKind
from grouping.plug_ins import Unavailable
from grouping.problems.problem import Problem
from grouping.recipes import LossInfo, MethodInfo, MetricInfo, list_methods, list_unavailable
from grouping.strategies import StrategyInfo
from grouping_api.schemas.common import Output
from grouping_api.schemas.jobs import RecipeOut
from grouping_api.schemas.scores import TaskOut


class ProblemItem(Output):
    """Something that networks can be trained on."""

    name: str
    title: str
    description: str
    tasks: list[TaskOut]
    recipe: RecipeOut

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """From the registry."""
        return cls(
            name=problem.name,
            title=problem.title,
            description=problem.description,
            tasks=[TaskOut.of(task) for task in problem.tasks],
            recipe=RecipeOut.of(problem.recipe),
        )


class UnavailableItem(Output):
    """An installed plug-in that cannot be used; the log of the service tells why."""

    name: str
    distribution: str | None

    @classmethod
    def of(cls, broken: Unavailable) -> Self:
        """From a registry, without the reason, which may tell of the machine."""
        return cls(name=broken.name, distribution=broken.distribution)


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

    @classmethod
    def of(cls, info: StrategyInfo) -> Self:
        """From the registry."""
        return cls(
            name=info.name, title=info.title, description=info.description, parameters=dict(info.parameters)
        )


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

    @classmethod
    def of(cls, info: MethodInfo) -> Self:
        """From the registry."""
        return cls(
            name=info.name,
            title=info.title,
            description=info.description,
            source=info.source,
            parameters=dict(info.parameters),
        )


class RecipePart(Output):
    """The methods that may be chosen for one part of a recipe, built-in ones first."""

    part: Part
    items: list[MethodItem]
    unavailable: list[UnavailableItem]

    @classmethod
    def of(cls, part: Part) -> Self:
        """What this installation has."""
        return cls(
            part=part,
            items=[MethodItem.of(info) for info in list_methods(part)],
            unavailable=[UnavailableItem.of(broken) for broken in list_unavailable(part)],
        )


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

    @classmethod
    def of(cls, info: LossInfo) -> Self:
        """From the registry."""
        return cls(
            name=info.name,
            title=info.title,
            description=info.description,
            source=info.source,
            kinds=list(info.kinds),
            parameters=dict(info.parameters),
        )


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

    @classmethod
    def of(cls, info: MetricInfo) -> Self:
        """From the registry."""
        return cls(
            name=info.name,
            title=info.title,
            description=info.description,
            source=info.source,
            kinds=list(info.kinds),
            unit=info.unit,
            direction=info.direction,
            parameters=dict(info.parameters),
        )


class MetricList(Output):
    """All metrics of this installation, built-in ones first."""

    items: list[MetricItem]
    unavailable: list[UnavailableItem]


class Health(Output):
    """The process answers."""

    status: str


class Version(Output):
    """What runs here."""

    version: str
    api: str
