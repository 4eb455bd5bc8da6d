"""Strategies: which networks to train next, and what the untrained ones would probably score."""

from grouping.strategies.evidence import Choose, Evidence
from grouping.strategies.registry import (
    Strategy,
    StrategyInfo,
    check_parameters,
    get_strategy,
    list_strategies,
)

__all__ = [
    "Choose",
    "Evidence",
    "Strategy",
    "StrategyInfo",
    "check_parameters",
    "get_strategy",
    "list_strategies",
]
