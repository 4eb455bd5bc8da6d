"""The strategies a job may name: the built-in ones, and those of installed plug-ins.

A strategy is a frozen dataclass; its fields, annotated for Pydantic, are its parameters, and their JSON
Schema is derived from them. A plug-in is a distribution with entry points in the group
``mtl_grouping.strategies``; the value of each is such a class. A plug-in that cannot be used is reported in
the log and listed as unavailable: it never takes the service down, and never replaces a built-in strategy.
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from pydantic import TypeAdapter, ValidationError

from grouping.errors import InvalidInputError, UnknownNameError
from grouping.strategies.adaptive import Adaptive
from grouping.strategies.all_alone import AllAlone
from grouping.strategies.all_together import AllTogether
from grouping.strategies.continuation import Continuation
from grouping.strategies.early_stopping import EarlyStopping
from grouping.strategies.evidence import Choose, Estimate, Evidence, Proposal
from grouping.strategies.exhaustive import Exhaustive
from grouping.strategies.higher_order import HigherOrder
from grouping.strategies.joint_run import FirstOrderAffinity, GradientCosine, TaskAffinity
from grouping.strategies.matching import Matching
from grouping.strategies.modularity import Modularity
from grouping.strategies.random_search import RandomSearch
from grouping.strategies.spectral import Spectral
from grouping.strategies.surrogate import Surrogate

ENTRY_POINT_GROUP = "mtl_grouping.strategies"
DEFAULT_STRATEGY = "adaptive"

_logger = logging.getLogger(__name__)


class Strategy(Protocol):
    """Decides what to train. A pure function of the evidence, so that a search goes on after a crash.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains, in a sentence.
        lists_candidates: whether it needs the candidates listed; one that does not generates them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    lists_candidates: ClassVar[bool]

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Trials wanted next, or why there are none.

        Called when every trial asked for so far is finished. The same evidence must give the same answer.
        """

    def estimate(self, evidence: Evidence) -> Estimate:
        """Losses of the candidates as far as they are measured or predicted, with their uncertainty."""


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy as it is listed.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains.
        lists_candidates: whether it needs the candidates listed.
        parameters: JSON Schema of its parameters.
    """

    name: str
    title: str
    description: str
    lists_candidates: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnavailableStrategy:
    """A plug-in that is installed and cannot be used.

    Attributes:
        name: name of its entry point.
        distribution: what installed it, with its version; None where unknown.
        reason: what is wrong, in words for the person who installed it.
    """

    name: str
    distribution: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All strategies of this installation.

    Attributes:
        strategies: built-in ones first, then plug-ins by the name of their entry point.
        unavailable: plug-ins that cannot be used.
    """

    strategies: tuple[type[Strategy], ...]
    unavailable: tuple[UnavailableStrategy, ...]


BUILT_IN: tuple[type[Strategy], ...] = (
    Adaptive,
    Exhaustive,
    HigherOrder,
    EarlyStopping,
    Continuation,
    Surrogate,
    Modularity,
    Spectral,
    Matching,
    TaskAffinity,
    GradientCosine,
    FirstOrderAffinity,
    RandomSearch,
    AllTogether,
    AllAlone,
)


@cache
def discover_strategies() -> Catalogue:
    """Find the strategies of this installation, once per process; ``cache_clear()`` makes it look again."""
    strategies = {strategy.name: strategy for strategy in BUILT_IN}
    unavailable = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: (p.name, p.value)):
        try:
            strategy = _load_plug_in(point)
            if strategy.name in strategies:
                raise InvalidInputError(f"The name {strategy.name!r} is taken by another strategy.")
        except Exception as error:
            # Whatever a stranger's module raises at import concerns that plug-in alone.
            reason = f"{type(error).__name__}: {error}"
            source = f"{point.dist.name} {point.dist.version}" if point.dist is not None else None
            _logger.warning(
                "The plug-in strategy %r of %s is unavailable: %s", point.name, source, reason, exc_info=True
            )
            unavailable.append(UnavailableStrategy(point.name, source, reason))
        else:
            strategies[strategy.name] = strategy
    return Catalogue(tuple(strategies.values()), tuple(unavailable))


def list_strategies() -> tuple[StrategyInfo, ...]:
    """Every strategy that can be used, in the order in which it is shown."""
    return tuple(
        StrategyInfo(s.name, s.title, s.description, s.lists_candidates, _schema(s))
        for s in discover_strategies().strategies
    )


def get_strategy(name: str, parameters: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy of that name, with its parameters.

    Args:
        name: one of `list_strategies`.
        parameters: by its JSON Schema; what is left out has its default.

    Raises:
        UnknownNameError: if there is no such strategy.
        InvalidInputError: if it does not take one of the parameters, or not that value.
    """
    strategies = discover_strategies().strategies
    strategy = next((s for s in strategies if s.name == name), None)
    if strategy is None:
        raise UnknownNameError("strategy", name, [s.name for s in strategies], pointer="/strategy/name")
    given = dict(parameters or {})
    known = [f.name for f in dataclasses.fields(strategy)]  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        takes = f"its parameters are {', '.join(known)}" if known else "it takes no parameters"
        raise InvalidInputError(
            f"The strategy {name} does not know {', '.join(unknown)}: {takes}.",
            pointer="/strategy/parameters",
        )
    try:
        made: Strategy = TypeAdapter(strategy).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"The strategy {name} cannot use its parameter {where}: {first['msg']}.",
            pointer=f"/strategy/parameters/{where}",
        ) from error
    return made


def _schema(strategy: type[Strategy]) -> Mapping[str, Any]:
    schema = TypeAdapter(strategy).json_schema()
    return {
        "type": "object",
        "properties": schema.get("properties", {}),
        "additionalProperties": False,
    }


def _load_plug_in(point: EntryPoint) -> type[Strategy]:
    found = point.load()
    wanted = ("name", "title", "description", "lists_candidates", "ask", "estimate")
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise TypeError(f"{point.value} is not a dataclass")
    if missing := [attribute for attribute in wanted if not hasattr(found, attribute)]:
        raise TypeError(f"{point.value} has no {', '.join(missing)}")
    strategy: type[Strategy] = found  # type: ignore[assignment]
    _schema(strategy)
    return strategy
