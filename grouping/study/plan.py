"""Plan of a study: a list of trainings, each a network, a seed, a share of the rows, perhaps a source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from grouping.domain.networks import Network
from grouping.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """Extent of a study: seeds, sizes and shares of the rows.

    Attributes:
        n_seeds: seeds 0, 1, ... of every training; noise is judged from two on.
        sizes: sizes of networks at which pairs are compared; 1 is always among them.
        shares: shares of the training rows at which pairs are compared; 1 is always among them.
        has_transfers: whether tasks are also trained from what each other one has learned.
    """

    n_seeds: int = 3
    sizes: tuple[float, ...] = (0.5, 1.0, 2.0)
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    has_transfers: bool = True

    def __post_init__(self) -> None:
        if self.n_seeds < 1:
            raise InvalidInputError("A study needs at least one seed.", pointer="/n_seeds")
        if not all(math.isfinite(size) and size > 0 for size in self.sizes):
            raise InvalidInputError("Sizes of networks are positive numbers.", pointer="/sizes")
        if not all(0 < share <= 1 for share in self.shares):
            raise InvalidInputError("Shares of the rows are above 0 and at most 1.", pointer="/shares")

    @property
    def setups(self) -> tuple[tuple[float, float], ...]:
        """Size and share of each comparison of pairs: full size and all rows first."""
        sizes = [(size, 1.0) for size in sorted(set(self.sizes)) if size != 1]
        shares = [(1.0, share) for share in sorted(set(self.shares), reverse=True) if share != 1]
        return ((1.0, 1.0), *sizes, *shares)


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """One training of a study.

    Attributes:
        network: the network to train.
        seed: seed of the weights and the order of the rows.
        share: share of the training rows.
        source: task trained first, then the other task of the network from its weights; None for no transfer.
    """

    network: Network
    seed: int
    share: float = 1.0
    source: str | None = None


def plan_study(tasks: Sequence[str], options: StudyOptions) -> tuple[PlannedTraining, ...]:
    """Return every training, without repetition, seed by seed.

    Raises:
        InvalidInputError: if there are fewer than two tasks.
    """
    if len(tasks) < 2:
        raise InvalidInputError("A study compares tasks: the problem needs at least two.", pointer="/problem")
    every = (
        training for seed in range(options.n_seeds) for training in _plan_seed(tuple(tasks), options, seed)
    )
    return tuple(dict.fromkeys(every))


def _plan_seed(tasks: tuple[str, ...], options: StudyOptions, seed: int) -> Iterator[PlannedTraining]:
    for size, share in options.setups:
        for group in [*((task,) for task in tasks), *combinations(tasks, 2)]:
            yield PlannedTraining(Network.of(*group, size=size), seed, share)
    yield PlannedTraining(Network.of(*tasks), seed)
    for task in tasks:
        yield PlannedTraining(Network.of(task, size=size_alone(len(tasks))), seed)
    for source, target in permutations(tasks, 2) if options.has_transfers else ():
        yield PlannedTraining(Network.of(source, target), seed, source=source)


def size_alone(n_tasks: int) -> float:
    """Return the size at which a network per task costs as much in all as one of full size."""
    return 1.0 / n_tasks
