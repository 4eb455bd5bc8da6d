"""Ledgers: what a search has spent and saved, by kind of training.

There are three units, since none is enough alone: trainings (whatever their size and length), epochs, and
full-network equivalents, in which a training counts as its size times its fidelity, as Standley et al. (2020)
count half-size networks. Epochs include those that prepare a network; equivalents do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from grouping.domain.trainings.trials import EpochsOf, Purpose

Shape = tuple[int, float]
"""Number of tasks of the group, and size of the network."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Spending on trials of one kind; copied trials are counted separately.

    Attributes:
        purpose: search or confirmation.
        group_size: number of tasks of the group.
        size: size of the network; 1 is full size.
        fidelity: share of the full number of epochs.
        network: name of the network, where only its trials are counted; else empty.
        networks: number of networks that have such a trial with an outcome, copied, told or trained.
        trainings: number of trials that were trained or are being trained.
        finished: number of these trials that ended, with success or without.
        attempts: number of starts of these trials.
        epochs: epochs of the trials that ended.
        seconds: seconds of the trials that ended, summed over workers.
        reused: number of trials that were copied.
        reused_epochs: epochs that the copied trials took in the job that trained them.
        reused_seconds: seconds that the copied trials took in the job that trained them.
        told: number of trials whose result was told from outside.
        planned: number of trials that wait for their turn.
        reserved_epochs: epochs that count in a training budget: those carried out by succeeded trials, and
            those planned for all others that were not copied, told or given up.
    """

    purpose: Purpose
    group_size: int
    size: float
    fidelity: float
    network: str = ""
    networks: int = 0
    trainings: int = 0
    finished: int = 0
    attempts: int = 0
    epochs: int = 0
    seconds: float = 0.0
    reused: int = 0
    reused_epochs: int = 0
    reused_seconds: float = 0.0
    told: int = 0
    planned: int = 0
    reserved_epochs: int = 0

    @property
    def equivalents(self) -> float:
        """Trainings in full-network equivalents, those under way included."""
        return self.trainings * self.size * self.fidelity

    @property
    def attempted_equivalents(self) -> float:
        """Starts in full-network equivalents: every attempt counts, lost ones too."""
        return self.attempts * self.size * self.fidelity


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of training in every unit.

    Attributes:
        trainings: number of trainings, whatever their size and length.
        epochs: sum of their epochs.
        equivalents: full-network equivalents: sum of their size times fidelity.
        seconds: sum of their seconds over all workers; None where nothing was measured to tell from.
    """

    trainings: int = 0
    epochs: int = 0
    equivalents: float = 0.0
    seconds: float | None = 0.0

    def __add__(self, other: Amount) -> Amount:
        seconds = None if self.seconds is None or other.seconds is None else self.seconds + other.seconds
        return Amount(
            self.trainings + other.trainings,
            self.epochs + other.epochs,
            self.equivalents + other.equivalents,
            seconds,
        )

    @classmethod
    def spent(cls, rows: Iterable[Spending]) -> Amount:
        """Sum up the trials that were started; copied ones cost nothing."""
        total = cls()
        for row in rows:
            total += cls(row.trainings, row.epochs, row.equivalents, row.seconds)
        return total

    @classmethod
    def finished(cls, rows: Iterable[Spending]) -> Amount:
        """Sum up the trials that ended."""
        total = cls()
        for row in rows:
            total += cls(row.finished, row.epochs, row.finished * row.size * row.fidelity, row.seconds)
        return total


@dataclass(frozen=True, slots=True)
class Rate:
    """Measured training time of one shape of networks.

    Attributes:
        trainings: number of finished trainings it was measured on.
        epochs: sum of their epochs.
        seconds: sum of their seconds.
    """

    trainings: int
    epochs: int
    seconds: float

    @property
    def epoch_s(self) -> float:
        """Mean seconds of an epoch."""
        return self.seconds / self.epochs


class Rates:
    """Measured seconds per epoch by shape of network.

    Args:
        measured: rates by group size and size; those without an epoch are left out.
    """

    def __init__(self, measured: Mapping[Shape, Rate]) -> None:
        self._by_shape = {shape: rate for shape, rate in measured.items() if rate.epochs > 0}
        self._by_group: dict[int, Rate] = {}
        for (group_size, _), rate in self._by_shape.items():
            before = self._by_group.get(group_size, Rate(0, 0, 0.0))
            self._by_group[group_size] = Rate(
                before.trainings + rate.trainings, before.epochs + rate.epochs, before.seconds + rate.seconds
            )

    @property
    def trainings(self) -> int:
        """Number of finished trainings behind all rates."""
        return sum(rate.trainings for rate in self._by_shape.values())

    def find(self, group_size: int, size: float) -> Rate | None:
        """Find the rate of a shape, else of its group size at any size; None if neither was ever trained."""
        return self._by_shape.get((group_size, size)) or self._by_group.get(group_size)

    def seconds(self, group_size: int, size: float, epochs: int) -> float | None:
        """Estimate the seconds that epochs of a shape take; None without a measured rate."""
        if not epochs:
            return 0.0
        rate = self.find(group_size, size)
        return None if rate is None else rate.epoch_s * epochs


def cost_of(
    counts: Mapping[tuple[int, float, float], int], epochs_of: EpochsOf, rates: Rates | None = None
) -> Amount:
    """Compute the cost of trainings.

    Args:
        counts: number of trainings by group size, size and fidelity.
        epochs_of: epochs of a training by group size and fidelity.
        rates: measured seconds per epoch; without them the seconds stay unknown.
    """
    total = Amount(seconds=0.0 if rates is not None or not counts else None)
    for (group_size, size, fidelity), count in counts.items():
        epochs = count * epochs_of(group_size, fidelity)
        seconds = None if rates is None else rates.seconds(group_size, size, epochs)
        total += Amount(count, epochs, count * size * fidelity, seconds)
    return total


@dataclass(frozen=True, slots=True)
class Savings:
    """Costs of a search compared with training every candidate with every search seed.

    Attributes:
        exhaustive: cost of training every candidate in full.
        trained: cost of the trainings that the search finished, without the confirmation.
        candidates: number of networks that may be chosen.
        networks: number of candidates with the outcome of a full training, their own, copied or told.
        reused: number of trials of the search that were copied from other jobs.
        told: number of trials of the search whose result was told from outside.
    """

    exhaustive: Amount
    trained: Amount
    candidates: int
    networks: int
    reused: int
    told: int = 0

    @property
    def saved(self) -> Amount:
        """Difference between the two costs, saved once the search is complete; negative if it took more."""
        seconds = None
        if self.exhaustive.seconds is not None and self.trained.seconds is not None:
            seconds = self.exhaustive.seconds - self.trained.seconds
        return Amount(
            self.exhaustive.trainings - self.trained.trainings,
            self.exhaustive.epochs - self.trained.epochs,
            self.exhaustive.equivalents - self.trained.equivalents,
            seconds,
        )

    @property
    def share(self) -> float | None:
        """Share of the epochs that was saved, by short passes and missing seeds too."""
        return self.saved.epochs / self.exhaustive.epochs if self.exhaustive.epochs else None


def savings(
    rows: Sequence[Spending],
    candidates: Mapping[Shape, int],
    n_seeds: int,
    epochs_of: EpochsOf,
    rates: Rates | None = None,
) -> Savings:
    """Compare what a search has trained with the exhaustive strategy on the same candidates and seeds.

    Args:
        rows: spending of the job, of any purpose.
        candidates: number of candidate networks by shape.
        n_seeds: number of search seeds.
        epochs_of: epochs of a training by group size and fidelity.
        rates: measured seconds per epoch, for the trainings that only the exhaustive strategy would need.
    """
    search = [row for row in rows if row.purpose is Purpose.SEARCH]
    full = [row for row in search if row.fidelity == 1 and (row.group_size, row.size) in candidates]
    counts = {(*shape, 1.0): count * n_seeds for shape, count in candidates.items()}
    exhaustive = cost_of(counts, epochs_of, rates)
    done = Amount.finished(full)
    if rates is not None and done.epochs:
        # What was trained took what it took: only the time of the rest is estimated.
        missing = {key: count - _finished(full, key) for key, count in counts.items()}
        rest = cost_of({key: count for key, count in missing.items() if count > 0}, epochs_of, rates)
        exhaustive = replace(exhaustive, seconds=(done + rest).seconds)
    return Savings(
        exhaustive,
        Amount.finished(search),
        sum(candidates.values()),
        sum(row.networks for row in full),
        sum(row.reused for row in search),
        sum(row.told for row in search),
    )


def _finished(rows: Iterable[Spending], key: tuple[int, float, float]) -> int:
    return sum(row.finished for row in rows if (row.group_size, row.size, row.fidelity) == key)
