"""Fair shares of a Ray cluster among the jobs on it: max-min fairness, and nothing is left over."""

from __future__ import annotations

from collections.abc import Mapping


def fair_shares(wanted: Mapping[str, float]) -> dict[str, float]:
    """Divide one cluster among members.

    Args:
        wanted: the share in [0, 1] that each could use.

    Returns:
        The share of each. Nobody gets less than another unless it wants less; what nobody wants now is
        divided equally, so that a job need not ask before it may begin more.
    """
    shares, left = {}, 1.0
    for n, (member, want) in enumerate(sorted(wanted.items(), key=lambda item: (item[1], item[0]))):
        shares[member] = min(want, left / (len(wanted) - n))
        left -= shares[member]
    return {member: share + left / len(wanted) for member, share in shares.items()}
