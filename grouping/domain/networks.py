"""Candidate networks: a group of tasks at a size, with its inference cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import NamedTuple

from grouping.domain.tasks import check_name
from grouping.errors import InvalidInputError, TooManyCandidatesError

CANDIDATE_LIMIT = 20_000
"""The most networks one search may list."""


class NetworkKey(NamedTuple):
    """Identity of a network: its group and its size; its cost is not part of it."""

    group: frozenset[str]
    size: float


@dataclass(frozen=True, slots=True)
class Network:
    """A group of tasks that share one network of a given size.

    Attributes:
        group: names of the tasks it is trained on.
        size: width class, 1 for the full-size network, 0.5 for half of its inference cost.
        cost_snt: inference cost in standard network times (the full-size network costs 1).
    """

    group: frozenset[str]
    size: float = 1.0
    cost_snt: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.group, frozenset):
            object.__setattr__(self, "group", frozenset(self.group))
        if not self.group:
            raise InvalidInputError("A network needs at least one task.")
        for name in self.group:
            check_name(name, "task")
        for value, what in ((self.size, "size"), (self.cost_snt, "cost")):
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"The {what} of a network must be a positive number; got {value}.")

    @classmethod
    def of(cls, *names: str, size: float = 1.0, cost_snt: float | None = None) -> Network:
        """Build a network from task names; its cost is its size unless given."""
        return cls(frozenset(names), size, size if cost_snt is None else cost_snt)

    @classmethod
    def parse(cls, name: str) -> Network:
        """Read a name as `name` writes it, such as ``depth+edges@0.5``; the cost is the size.

        Raises:
            InvalidInputError: if it is not such a name.
        """
        stem, separator, size = name.partition("@")
        try:
            number = float(size) if separator else 1.0
        except ValueError:
            raise InvalidInputError(f"{name[:80]!r} is not a network: {size[:20]!r} is no size.") from None
        return cls.of(*stem.split("+"), size=number)

    @property
    def key(self) -> NetworkKey:
        """Identity of the network, whatever it costs."""
        return NetworkKey(self.group, self.size)

    @property
    def sort_key(self) -> tuple[float, float, int, tuple[str, ...]]:
        """Canonical order, cheaper first, then smaller, then by task names."""
        return (self.cost_snt, self.size, len(self.group), tuple(sorted(self.group)))

    def name(self, order: Sequence[str] | None = None) -> str:
        """Return the readable name, such as ``depth+edges@0.5``; tasks in the given order, else sorted."""
        ordered = sorted(self.group) if order is None else [task for task in order if task in self.group]
        suffix = "" if self.size == 1 else f"@{self.size:g}"
        return "+".join(ordered) + suffix

    def __str__(self) -> str:
        return self.name()


@dataclass(frozen=True, slots=True)
class MeasuredNetwork:
    """A network with the measurements of its cost.

    Attributes:
        network: the network with its measured ``cost_snt``.
        multiply_adds: multiply-add operations of one forward pass of its encoder on one row; 0 where unknown.
        widths: widths of its encoder's layers; empty where unknown.
        latency_ms: median milliseconds of such a pass on a worker; None where it was not measured.
    """

    network: Network
    multiply_adds: int = 0
    widths: tuple[int, ...] = ()
    latency_ms: float | None = None


def count_candidates(n_tasks: int, max_group_size: int, n_single_sizes: int = 0) -> int:
    """Count the networks that `list_candidates` would give, without listing them."""
    largest = min(max_group_size, n_tasks)
    return n_tasks * n_single_sizes + sum(comb(n_tasks, k) for k in range(1, largest + 1))


def list_candidates(
    tasks: Sequence[str],
    *,
    max_group_size: int,
    single_sizes: Iterable[float] = (),
    costs_snt: Mapping[float, float] | None = None,
    limit: int = CANDIDATE_LIMIT,
) -> tuple[Network, ...]:
    """List all full-size groups of up to `max_group_size` tasks, and single-task networks at `single_sizes`.

    With five tasks, no bound on the group size and ``single_sizes=(0.5,)`` these are the 36 networks of
    Standley et al. (2020). Costs are the nominal sizes; training replaces them by measured ones.

    Args:
        tasks: task names, in the order in which groups are listed.
        max_group_size: largest group.
        single_sizes: further sizes, other than 1, of the single-task networks.
        costs_snt: inference cost by size; a missing size costs its size.
        limit: the most networks that are listed.

    Raises:
        TooManyCandidatesError: before anything is listed.
    """
    sizes = tuple(size for size in dict.fromkeys(single_sizes) if size != 1)
    count = count_candidates(len(tasks), max_group_size, len(sizes))
    if count > limit:
        raise TooManyCandidatesError(
            f"{len(tasks)} tasks in groups of up to {min(max_group_size, len(tasks))} make {count:,} "
            f"candidate networks; at most {limit:,} are accepted. Lower the largest group size, or choose "
            "fewer tasks.",
            n_networks=count,
            limit=limit,
            pointer="/max_group_size",
        )
    costs = costs_snt or {}
    singles = [Network.of(task, size=size, cost_snt=costs.get(size)) for size in sizes for task in tasks]
    groups = [
        Network.of(*group)
        for size in range(1, min(max_group_size, len(tasks)) + 1)
        for group in combinations(tasks, size)
    ]
    return (*singles, *groups)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The networks that may be chosen: listed if they are few, described by rules if they are many.

    Attributes:
        tasks: names of the tasks, in display order.
        max_group_size: largest group.
        single_sizes: further sizes, other than 1, of the single-task networks.
        networks: every candidate with its inference cost; None where there are too many to list. Then every
            group of up to `max_group_size` tasks at full size is one, and every single task at each size.
        costs_snt: inference cost by size, for candidates that are not listed; a missing size costs its size.
        built_snt: the only sizes that can be built, baselines included, with their costs; None for any size.
        apart: sets of tasks of which no candidate has two.
    """

    tasks: tuple[str, ...]
    max_group_size: int
    single_sizes: tuple[float, ...] = ()
    networks: tuple[Network, ...] | None = None
    costs_snt: Mapping[float, float] = field(default_factory=dict)
    built_snt: Mapping[float, float] | None = None
    apart: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(
        cls,
        tasks: Sequence[str],
        *,
        max_group_size: int | None = None,
        single_sizes: Iterable[float] = (),
        built_snt: Mapping[float, float] | None = None,
        limit: int = CANDIDATE_LIMIT,
    ) -> Candidates:
        """Build candidates from rules; they are listed if there are at most `limit`."""
        largest = min(max_group_size or len(tasks), len(tasks))
        sizes = tuple(size for size in dict.fromkeys(single_sizes) if size != 1)
        listed = None
        if count_candidates(len(tasks), largest, len(sizes)) <= limit:
            listed = list_candidates(
                tasks, max_group_size=largest, single_sizes=sizes, costs_snt=built_snt, limit=limit
            )
        return cls(tuple(tasks), largest, sizes, listed, built_snt or {}, built_snt)

    @classmethod
    def listed(cls, tasks: Sequence[str], networks: Iterable[Network]) -> Candidates:
        """Build candidates from a list of networks."""
        known = tuple(networks)
        largest = max((len(network.group) for network in known), default=1)
        sizes = {n.size: n.cost_snt for n in known if len(n.group) == 1 and n.size != 1}
        return cls(tuple(tasks), largest, tuple(sizes), known, sizes)

    @property
    def count(self) -> int:
        """Number of candidates; where they are not listed, those that `apart` rules out are counted too."""
        if self.networks is not None:
            return len(self.networks)
        return count_candidates(len(self.tasks), self.max_group_size, len(self.single_sizes))

    def require_listed(self) -> tuple[Network, ...]:
        """Return the list of all candidates.

        Raises:
            TooManyCandidatesError: if there are too many to list.
        """
        if self.networks is None:
            raise TooManyCandidatesError(
                f"{self.count:,} candidate networks are too many to list. Lower the largest group size, or "
                "choose a strategy that generates its candidates, such as adaptive.",
                n_networks=self.count,
                limit=CANDIDATE_LIMIT,
                pointer="/max_group_size",
            )
        return self.networks

    def find(self, group: Iterable[str], size: float = 1.0) -> Network | None:
        """Find the candidate with a group and size, or None."""
        wanted = frozenset(group)
        if self.networks is not None:
            return next((n for n in self.networks if n.group == wanted and n.size == size), None)
        if not wanted <= set(self.tasks) or not 1 <= len(wanted) <= self.max_group_size:
            return None
        if size != 1 and (len(wanted) > 1 or size not in self.single_sizes):
            return None
        if any(len(wanted & tasks) > 1 for tasks in self.apart):
            return None
        return Network(wanted, size, self.costs_snt.get(size, size))

    @property
    def singles(self) -> tuple[Network, ...]:
        """The single-task candidates, full size first, in the order of the tasks."""
        sizes = (1.0, *(size for size in self.single_sizes if size != 1))
        found = (self.find((task,), size) for size in sizes for task in self.tasks)
        return tuple(network for network in found if network is not None)
