"""Registry of strategies: the built-in ones, and those of installed plug-ins.

A strategy is a frozen dataclass; its fields, annotated for Pydantic, are its parameters, and their JSON
Schema is derived from them. A plug-in is a distribution with entry points in the group
``mtl_grouping.strategies``; the value of each is such a class. What becomes of a plug-in that cannot be used
is told in `grouping.plug_ins`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, ClassVar, Protocol

from grouping.parameters import build, schema_of
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.strategies.adaptive.adaptive import Adaptive
from grouping.strategies.baselines.all_alone import AllAlone
from grouping.strategies.baselines.all_together import AllTogether
from grouping.strategies.baselines.exhaustive import Exhaustive
from grouping.strategies.baselines.random_search import RandomSearch
from grouping.strategies.clustering.matching import Matching
from grouping.strategies.clustering.modularity import Modularity
from grouping.strategies.clustering.spectral import Spectral
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.paper.esa import EarlyStoppingApproximation
from grouping.strategies.paper.hoa import HigherOrder
from grouping.strategies.paper.tag import FirstOrderAffinity, GradientCosine, TaskAffinity
from grouping.strategies.prediction.continuation import Continuation
from grouping.strategies.prediction.surrogate import Surrogate

ENTRY_POINT_GROUP = "mtl_grouping.strategies"


class Strategy(Protocol):
    """Decides what to train next: a pure function of the evidence, so that a search survives a crash.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains, in a sentence.
        lists_candidates: whether it needs the candidates listed; one that does not generates them.

    A strategy with a class attribute ``plans_ahead = True`` is also asked while trials are running, where
    planning is continuous; ``Evidence`` says which trials are running and how many could begin.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    lists_candidates: ClassVar[bool]

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Return the trials wanted next, or why there are none.

        Called when every trial asked for so far is finished; of a strategy that plans ahead, also before.
        The same evidence must give the same answer.
        """

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return losses of the candidates, measured or predicted, with their uncertainty."""


def plans_ahead(strategy: Strategy) -> bool:
    """Return whether a strategy may be asked while trials are running; see `Strategy`."""
    return bool(getattr(strategy, "plans_ahead", False))


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """Name, description and parameters of a strategy, for lists.

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


BUILT_IN: tuple[type[Strategy], ...] = (
    Adaptive,
    Exhaustive,
    HigherOrder,
    EarlyStoppingApproximation,
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
def discover_strategies() -> Catalogue[type[Strategy]]:
    """Find the strategies of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(ENTRY_POINT_GROUP, BUILT_IN, _load_plug_in)


def list_strategies() -> tuple[StrategyInfo, ...]:
    """List every usable strategy, in the order in which it is shown."""
    return tuple(
        StrategyInfo(s.name, s.title, s.description, s.lists_candidates, schema_of(s))
        for s in discover_strategies().found
    )


def list_unavailable() -> tuple[Unavailable, ...]:
    """List installed plug-ins that cannot be used, with the reason."""
    return discover_strategies().unavailable


def get_strategy(name: str, parameters: Mapping[str, Any] | None = None) -> Strategy:
    """Return the strategy of that name, with its parameters.

    Args:
        name: one of `list_strategies`.
        parameters: by its JSON Schema; what is left out has its default.

    Raises:
        UnknownNameError: if there is no such strategy.
        InvalidInputError: if it does not take one of the parameters, or not that value, or if a plug-in of
            that name is installed but cannot be used.
    """
    strategy = discover_strategies().get(name, kind="strategy", pointer="/strategy/name")
    what = f"strategy {name}"
    return build(strategy, parameters or {}, what=what, pointer="/strategy/parameters")


def _load_plug_in(point: EntryPoint) -> type[Strategy]:
    found = point.load()
    wanted = ("name", "title", "description", "lists_candidates", "ask", "estimate")
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise TypeError(f"{point.value} is not a dataclass")
    if missing := [attribute for attribute in wanted if not hasattr(found, attribute)]:
        raise TypeError(f"{point.value} has no {', '.join(missing)}")
    strategy: type[Strategy] = found  # type: ignore[assignment]
    schema_of(strategy)
    return strategy
