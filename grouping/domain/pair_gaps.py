"""Full-size networks of single tasks and pairs that a score table lacks for pairwise effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from grouping.domain.networks import Network
from grouping.domain.scores import ScoreTable

_NAMED = 5


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

    @property
    def networks(self) -> tuple[Network, ...]:
        """The missing networks, single tasks first."""
        return (*(Network.of(name) for name in self.singles), *(Network.of(*pair) for pair in self.pairs))

    def sentence(self) -> str:
        """Say in a sentence what is missing; empty if nothing is."""
        parts = [
            _counted(self.singles, "single task"),
            _counted([f"{a} and {b}" for a, b in self.pairs], "pair"),
        ]
        said = " and ".join(part for part in parts if part)
        return f"Not measured at full size: {said}." if said else ""


def list_some(named: Sequence[str]) -> str:
    """Join the first few names, and say how many more there are."""
    shown = ", ".join(named[:_NAMED])
    rest = len(named) - _NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown


def _counted(named: Sequence[str], noun: str) -> str:
    return f"{len(named)} {noun}{'s' if len(named) > 1 else ''} ({list_some(named)})" if named else ""
