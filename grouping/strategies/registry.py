"""The strategies a job may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from grouping.domain.scores import ScoreTable
from grouping.domain.trials import TrialRequest
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.strategies.early_stopping import EarlyStopping
from grouping.strategies.evidence import Choose, Evidence
from grouping.strategies.exhaustive import Exhaustive
from grouping.strategies.higher_order import HigherOrder


class Strategy(Protocol):
    """Decides what to train. A pure function of the evidence, so that a search goes on after a crash.

    `ask` is called when every trial asked for so far is finished. It must give the same answer to the same
    evidence, and an empty one when the search is complete.
    """

    @property
    def name(self) -> str:
        """Its name in jobs."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def description(self) -> str:
        """What it trains, in a sentence."""

    def ask(self, evidence: Evidence, choose: Choose) -> tuple[TrialRequest, ...]:
        """Trials wanted next; empty when the search is complete."""

    def estimate(self, evidence: Evidence) -> ScoreTable:
        """Losses of the candidates as far as they are measured or predicted."""


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy as it is listed.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains.
        parameters: JSON Schema of its parameters.
    """

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}, "additionalProperties": False}
    )


_STRATEGIES: tuple[Strategy, ...] = (Exhaustive(), HigherOrder(), EarlyStopping())


def list_strategies() -> tuple[StrategyInfo, ...]:
    """Every strategy, in the order in which it is shown."""
    return tuple(StrategyInfo(s.name, s.title, s.description) for s in _STRATEGIES)


def get_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        UnknownNameError: if there is none.
    """
    for strategy in _STRATEGIES:
        if strategy.name == name:
            return strategy
    raise UnknownNameError("strategy", name, [s.name for s in _STRATEGIES], pointer="/strategy/name")


def check_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Check a strategy's name and parameters.

    Raises:
        UnknownNameError: if there is no such strategy.
        InvalidInputError: if it does not take one of the parameters.
    """
    strategy = get_strategy(name)
    if parameters:
        raise InvalidInputError(
            f"The strategy {strategy.name} takes no parameters; got {', '.join(sorted(parameters))}.",
            pointer="/strategy/parameters",
        )
