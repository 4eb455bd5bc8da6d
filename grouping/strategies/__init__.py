"""Strategies: which networks to train next, and what the untrained ones would probably score."""

from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.registry import (
    Strategy,
    StrategyInfo,
    discover_strategies,
    get_strategy,
    list_strategies,
    list_unavailable,
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
]
