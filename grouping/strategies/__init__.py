"""Strategies: which networks to train next, and what the untrained ones would probably score."""

from grouping.strategies.evidence import Choose, Estimate, Evidence, Proposal
from grouping.strategies.registry import (
    DEFAULT_STRATEGY,
    Strategy,
    StrategyInfo,
    UnavailableStrategy,
    discover_strategies,
    get_strategy,
    list_strategies,
)

__all__ = [
    "DEFAULT_STRATEGY",
    "Choose",
    "Estimate",
    "Evidence",
    "Proposal",
    "Strategy",
    "StrategyInfo",
    "UnavailableStrategy",
    "discover_strategies",
    "get_strategy",
    "list_strategies",
]
