"""The contract of strategies, on all that are built in."""

from __future__ import annotations

from typing import ClassVar

from grouping.strategies.registry import BUILT_IN
from grouping.testing import StrategyContract

NEED_JOINT_RUNS = ("tag", "cosine", "first-order")

for _strategy in BUILT_IN:

    class _Contract(StrategyContract):
        strategy = _strategy
        measures_affinity: ClassVar[bool] = _strategy.name in NEED_JOINT_RUNS

    _Contract.__name__ = _Contract.__qualname__ = f"Test{_strategy.__name__}"
    globals()[_Contract.__name__] = _Contract

del _Contract
