"""Registry of losses and metrics: the built-in ones, and those of installed plug-ins.

A task names both; a recipe names neither. A plug-in is a distribution with entry points in the groups
``mtl_grouping.losses`` and ``mtl_grouping.metrics``; the value of each is a `LossDeclaration` or a
`MetricDeclaration`. What is built in is found without a look at the plug-ins, so that a module may describe
problems while it is imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from grouping.domain.tasks import (
    ACCURACY,
    R2,
    UNSPECIFIED,
    Direction,
    Loss,
    Metric,
    Parameters,
    Task,
    TaskKind,
)
from grouping.errors import InvalidInputError
from grouping.parameters import build, schema_of
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.recipes.declarations import Declaration
from grouping.recipes.losses import LOSSES, LossDeclaration
from grouping.recipes.metrics import METRICS, MetricDeclaration
from grouping.recipes.metrics.declaration import NUMBERS
from grouping.recipes.registry import load_declaration

LOSS_GROUP = "mtl_grouping.losses"
METRIC_GROUP = "mtl_grouping.metrics"


@dataclass(frozen=True, slots=True)
class LossInfo:
    """Name, description and parameters of a loss, for lists.

    Attributes:
        name: its name in tasks.
        title: its name for people.
        description: what it is, and by what it is divided.
        source: the paper it comes from; empty for what needs none.
        kinds: the kinds of tasks that it fits.
        parameters: JSON Schema of its parameters.
    """

    name: str
    title: str
    description: str
    source: str
    kinds: tuple[TaskKind, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """Name, description and parameters of a metric, for lists.

    Attributes:
        name: its name in tasks.
        title: its name for people.
        description: what it is.
        source: the paper it comes from; empty for what needs none.
        kinds: the kinds of tasks that it fits.
        unit: unit of the number.
        direction: whether lower or higher is better.
        parameters: JSON Schema of its parameters.
    """

    name: str
    title: str
    description: str
    source: str
    kinds: tuple[TaskKind, ...]
    unit: str
    direction: Direction
    parameters: Mapping[str, Any] = field(default_factory=dict)


@cache
def discover_losses() -> Catalogue[type[LossDeclaration]]:
    """Find the losses of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(LOSS_GROUP, LOSSES, _load_loss)


@cache
def discover_metrics() -> Catalogue[type[MetricDeclaration]]:
    """Find the metrics of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(METRIC_GROUP, METRICS, _load_metric)


def list_losses() -> tuple[LossInfo, ...]:
    """List every loss that a task may name, built-in ones first."""
    return tuple(
        LossInfo(d.name, d.title, d.description, d.source, d.kinds, schema_of(d))
        for d in discover_losses().found
    )


def list_metrics() -> tuple[MetricInfo, ...]:
    """List every metric that a task may name, built-in ones first."""
    return tuple(
        MetricInfo(d.name, d.title, d.description, d.source, d.kinds, d.unit, d.direction, schema_of(d))
        for d in discover_metrics().found
    )


def list_unavailable_losses() -> tuple[Unavailable, ...]:
    """List installed plug-ins whose loss cannot be used, with the reason."""
    return discover_losses().unavailable


def list_unavailable_metrics() -> tuple[Unavailable, ...]:
    """List installed plug-ins whose metric cannot be used, with the reason."""
    return discover_metrics().unavailable


def get_loss(loss: Loss) -> LossDeclaration:
    """Return the declaration of a loss, with its parameters checked and completed.

    Raises:
        UnknownNameError: if there is no such loss, with those there are.
        InvalidInputError: if it does not take one of the parameters, or if its plug-in cannot be used.
    """
    catalogue = Catalogue(LOSSES) if loss.name in _names(LOSSES) else discover_losses()
    declaration = catalogue.get(loss.name, kind="loss")
    return build(declaration, dict(loss.parameters), what=f"loss {loss.name}")


def get_metric(metric: Metric) -> MetricDeclaration:
    """Return the declaration of a metric, with its parameters checked and completed.

    Raises:
        UnknownNameError: if there is no such metric, with those there are.
        InvalidInputError: if it does not take one of the parameters, if it improves the other way, or if
            its plug-in cannot be used.
    """
    found = _get_metric(metric.name, dict(metric.parameters))
    if found.direction != metric.direction:
        raise InvalidInputError(
            f"The metric {metric.name!r} says {metric.direction}, and is {found.direction}: "
            f"named_metric({metric.name!r}) gives it as it is."
        )
    return found


def named_loss(name: str, **parameters: Any) -> Loss:
    """Return the loss of that name, ready for a task.

    Raises:
        UnknownNameError, InvalidInputError: as `get_loss`.
    """
    found = get_loss(Loss(name, tuple(parameters.items())))
    return Loss(name, _parameters_of(found))


def named_metric(name: str, **parameters: Any) -> Metric:
    """Return the metric of that name with its declared direction, ready for a task.

    Raises:
        UnknownNameError, InvalidInputError: as `get_metric`.
    """
    found = _get_metric(name, parameters)
    return Metric(name, found.direction, _parameters_of(found))


def metric_of(task: Task) -> Metric:
    """Return the metric a task is reported by: its own, else R² for numbers and accuracy for classes."""
    return task.metric or default_metric(task.kind)


def default_metric(kind: TaskKind) -> Metric:
    """Return R² for numbers, the mean cosine for directions, and accuracy for classes."""
    if kind is TaskKind.NORMALS:
        return Metric("cosine_similarity", Direction.HIGHER_IS_BETTER)
    return R2 if kind in NUMBERS else ACCURACY


def complete_task(task: Task) -> Task:
    """Fill in every parameter of a task's loss and metric, once both are known to fit it.

    Raises:
        InvalidInputError: naming the task, with the losses or metrics that would do.
    """
    try:
        if task.loss == UNSPECIFIED:
            raise InvalidInputError(f"It has no loss to be trained on. {_fitting(LOSSES, task.kind)}")
        loss = get_loss(task.loss)
        _check_kind("loss", loss, task.kind, LOSSES)
        complete = replace(task, loss=replace(task.loss, parameters=_parameters_of(loss)))
        if task.metric is None:
            return complete
        metric = get_metric(task.metric)
        _check_kind("metric", metric, task.kind, METRICS)
        return replace(complete, metric=replace(task.metric, parameters=_parameters_of(metric)))
    except InvalidInputError as error:
        raise InvalidInputError(f"Task {task.name!r}: {error}") from error


def _parameters_of(declaration: Declaration) -> Parameters:
    return tuple(dataclasses.asdict(declaration).items())  # type: ignore[call-overload]


def _get_metric(name: str, parameters: Mapping[str, Any]) -> MetricDeclaration:
    catalogue = Catalogue(METRICS) if name in _names(METRICS) else discover_metrics()
    return build(catalogue.get(name, kind="metric"), parameters, what=f"metric {name}")


def _names(declarations: Sequence[type[Declaration]]) -> list[str]:
    return [declaration.name for declaration in declarations]


def _check_kind(
    what: str,
    chosen: LossDeclaration | MetricDeclaration,
    kind: TaskKind,
    built_in: Sequence[type[LossDeclaration] | type[MetricDeclaration]],
) -> None:
    if kind not in chosen.kinds:
        raise InvalidInputError(
            f"The {what} {chosen.name!r} does not fit its kind, {kind.value}. {_fitting(built_in, kind)}"
        )


def _fitting(built_in: Sequence[type[LossDeclaration] | type[MetricDeclaration]], kind: TaskKind) -> str:
    names = [declaration.name for declaration in built_in if kind in declaration.kinds]
    if not names:
        kinds = ", ".join(member.value for member in TaskKind if member is not TaskKind.UNSPECIFIED)
        return f"Give it a kind first, one of {kinds}."
    return f"Built in for that kind: {', '.join(names)}."


def _load_loss(point: EntryPoint) -> type[LossDeclaration]:
    declaration: type[LossDeclaration] = load_declaration(point, "kinds", "constants")
    _check_kinds(declaration)
    return declaration


def _load_metric(point: EntryPoint) -> type[MetricDeclaration]:
    declaration: type[MetricDeclaration] = load_declaration(point, "kinds", "unit", "direction")
    _check_kinds(declaration)
    Direction(declaration.direction)
    return declaration


def _check_kinds(declaration: type[LossDeclaration] | type[MetricDeclaration]) -> None:
    for kind in declaration.kinds:
        TaskKind(kind)
