"""What a search has spent and what it has saved, by kind of training.

Three units, since none tells it all: trainings (of any size and length), epochs, and full-network
equivalents, in which a training counts as its size times its fidelity, as Standley et al. (2020) count
half-size networks. Epochs are all that are carried out, also those that prepare a network; equivalents are
those of the trainings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from grouping.domain.recipes import EpochsOf
from grouping.domain.trials import Purpose

Shape = tuple[int, float]
"""Number of tasks of the group, and size of the network."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Trials of one kind, as far as they have been started. Those that were copied stand apart.

    Attributes:
        purpose: search or confirmation.
        group_size: tasks of the group.
        size: of the network.
        fidelity: share of the full number of epochs.
        network: name of the network, where only its trials are counted; else empty.
        networks: how many networks have such a trial with an outcome, copied or trained.
        trainings: trials that were trained or are being trained.
        finished: those of them that ended, however they did.
        attempts: starts of the trials.
        epochs: of those that ended.
        seconds: of those that ended, summed over workers.
        reused: trials that were copied.
        reused_epochs: epochs of the copied trials where they were trained.
        reused_seconds: seconds of the copied trials where they were trained.
        planned: trials that wait for their turn.
        reserved_epochs: what counts in a training budget: the epochs that succeeded trials carried out, and
            those planned of all others that were not copied or given up.
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
    planned: int = 0
    reserved_epochs: int = 0

    @property
    def equivalents(self) -> float:
        """Trainings, those under way included, in full-network equivalents."""
        return self.trainings * self.size * self.fidelity

    @property
    def attempted_equivalents(self) -> float:
        """Likewise, but every start counted: what was started once stays counted."""
        return self.attempts * self.size * self.fidelity


@dataclass(frozen=True, slots=True)
class Amount:
    """So much training.

    Attributes:
        trainings: of any size and length.
        epochs: over all of them.
        equivalents: in full-network equivalents, the sum of size times fidelity.
        seconds: over all workers; None where there is no basis to tell.
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
        """What was started; the copied trials cost nothing."""
        total = cls()
        for row in rows:
            total += cls(row.trainings, row.epochs, row.equivalents, row.seconds)
        return total

    @classmethod
    def finished(cls, rows: Iterable[Spending]) -> Amount:
        """What was trained to its end."""
        total = cls()
        for row in rows:
            total += cls(row.finished, row.epochs, row.finished * row.size * row.fidelity, row.seconds)
        return total


@dataclass(frozen=True, slots=True)
class Rate:
    """Measured training time of one shape of networks.

    Attributes:
        trainings: finished trainings it was measured on.
        epochs: their epochs.
        seconds: their seconds.
    """

    trainings: int
    epochs: int
    seconds: float

    @property
    def epoch_s(self) -> float:
        """Mean seconds of an epoch."""
        return self.seconds / self.epochs


class Rates:
    """Seconds of an epoch by shape, measured and never made up.

    Args:
        measured: by group size and size; those without an epoch are left out.
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
        """Finished trainings that all of it rests on."""
        return sum(rate.trainings for rate in self._by_shape.values())

    def find(self, group_size: int, size: float) -> Rate | None:
        """Of that shape; else of that group size at any size; None where neither was ever trained."""
        return self._by_shape.get((group_size, size)) or self._by_group.get(group_size)

    def seconds(self, group_size: int, size: float, epochs: int) -> float | None:
        """Seconds that so many epochs take; None without a basis."""
        if not epochs:
            return 0.0
        rate = self.find(group_size, size)
        return None if rate is None else rate.epoch_s * epochs


def cost_of(
    counts: Mapping[tuple[int, float, float], int], epochs_of: EpochsOf, rates: Rates | None = None
) -> Amount:
    """What trainings cost.

    Args:
        counts: trainings by group size, size and fidelity.
        epochs_of: says how many epochs each takes.
        rates: basis of the seconds; without it they stay unknown.
    """
    total = Amount(seconds=0.0 if rates is not None or not counts else None)
    for (group_size, size, fidelity), count in counts.items():
        epochs = count * epochs_of(group_size, fidelity)
        seconds = None if rates is None else rates.seconds(group_size, size, epochs)
        total += Amount(count, epochs, count * size * fidelity, seconds)
    return total


@dataclass(frozen=True, slots=True)
class Savings:
    """A search against training every candidate with every search seed.

    Attributes:
        exhaustive: what training every candidate in full would have cost.
        trained: what the search has trained to its end; the confirmation is not part of it.
        candidates: networks that may be chosen.
        networks: those of them with a full training that has an outcome, their own or copied.
        reused: trials of the search that were copied from other jobs.
    """

    exhaustive: Amount
    trained: Amount
    candidates: int
    networks: int
    reused: int

    @property
    def saved(self) -> Amount:
        """The difference, saved once the search is complete; negative where it took more."""
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
        """Share of the epochs that was saved, which short passes and missing seeds count towards."""
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
        rows: what was spent, of any purpose.
        candidates: number of candidate networks by shape.
        n_seeds: search seeds.
        epochs_of: says how many epochs a training takes.
        rates: basis of the seconds that exhaustive would have taken beyond what was trained.
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
    )


def _finished(rows: Iterable[Spending], key: tuple[int, float, float]) -> int:
    return sum(row.finished for row in rows if (row.group_size, row.size, row.fidelity) == key)
