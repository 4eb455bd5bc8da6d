"""Strategies: they decide which networks to train next and estimate the losses of untrained ones."""

from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.registry import (
    Strategy,
    StrategyInfo,
    discover_strategies,
    get_strategy,
    list_strategies,
    list_unavailable,
    plans_ahead,
)

__all__ = [
    "Choose",
    "Evidence",
    "LossEstimate",
    "Proposal",
    "Strategy",
    "StrategyInfo",
    "discover_strategies",
    "get_strategy",
    "list_strategies",
    "list_unavailable",
    "plans_ahead",
]
