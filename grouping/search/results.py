"""Groups whose training tells a strategy more than scores, so that no result from outside stands for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grouping.strategies import Strategy


def groups_not_told(strategy: Strategy, tasks: Sequence[str]) -> Mapping[frozenset[str], str]:
    """Return groups that no result from outside can stand for, and why.

    A strategy that chooses by affinities measures them in the training of the network of all tasks.
    """
    if not getattr(strategy, "needs_affinities", False):
        return {}
    reason = (
        f"the strategy {strategy.name!r} measures affinities while it trains this network, which no result "
        "from outside has. Leave this network out."
    )
    return {frozenset(tasks): reason}
