"""Fair shares of a Ray cluster among the jobs on it: max-min fairness."""

from __future__ import annotations

from collections.abc import Mapping


def fair_shares(wanted: Mapping[str, float]) -> dict[str, float]:
    """Divide one cluster among members.

    Args:
        wanted: the share in [0, 1] that each could use.

    Returns:
        The share of each: no more than it wants, and of two that want more, the same.
    """
    shares, left = {}, 1.0
    for n, (member, want) in enumerate(sorted(wanted.items(), key=lambda item: (item[1], item[0]))):
        shares[member] = min(want, left / (len(wanted) - n))
        left -= shares[member]
    return shares
