"""Full-size networks of single tasks and pairs that a score table lacks for pairwise effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable

NAMED = 5
"""Of many names the first so many are told."""


@dataclass(frozen=True, slots=True)
class PairGaps:
    """Full-size networks of single tasks and of pairs that are not measured.

    Attributes:
        singles: tasks whose own network is missing.
        pairs: pairs of tasks whose network is missing, in the order of the tasks.
    """

    singles: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, table: ScoreTable) -> PairGaps:
        """Find the gaps of a table; a network with a missing loss counts as one."""
        names = table.task_names

        def lacks(*group: str) -> bool:
            row = table.find_position(frozenset(group))
            return row is None or not table.is_complete[row]

        return cls(
            tuple(name for name in names if lacks(name)),
            tuple(pair for pair in combinations(names, 2) if lacks(*pair)),
        )

    def __bool__(self) -> bool:
        return bool(self.singles or self.pairs)

    def networks(self) -> Iterator[Network]:
        """Yield the missing networks, single tasks first."""
        yield from (Network.of(name) for name in self.singles)
        yield from (Network.of(*pair) for pair in self.pairs)

    def sentence(self) -> str:
        """Say in a sentence what is missing; empty if nothing is."""
        parts = [
            _counted(self.singles, len(self.singles), "single task"),
            _counted([f"{a} and {b}" for a, b in self.pairs[:NAMED]], len(self.pairs), "pair"),
        ]
        said = " and ".join(part for part in parts if part)
        return f"Not measured at full size: {said}." if said else ""


def list_some(named: Sequence[str], total: int | None = None) -> str:
    """Join the first few names, and say how many more there are.

    Args:
        named: the names, or the first `NAMED` of them.
        total: the number of all names; that of `named` unless given.
    """
    rest = (len(named) if total is None else total) - NAMED
    shown = ", ".join(named[:NAMED])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _counted(named: Sequence[str], total: int, noun: str) -> str:
    return f"{total} {noun}{'s' if total > 1 else ''} ({list_some(named, total)})" if named else ""
