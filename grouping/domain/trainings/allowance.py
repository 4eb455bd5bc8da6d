"""Allowance: the part of a training budget that is left, and which trainings still fit into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from grouping.domain.jobs.specification import TrainingBudget
from grouping.domain.trainings.trials import EpochsOf, Trial, TrialRequest

TOLERANCE = 1e-9
"""Sums of sizes and fidelities are off by rounding."""


class Fit(StrEnum):
    """Whether the wanted trainings fit into the training budget."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"
    """The least fits and the most does not."""
    UNKNOWN = "unknown"
    """The budget is in seconds, and there is no basis for a time."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Costs of trainings, as a training budget counts them.

    Attributes:
        epochs_of: function from the size of a group and a fidelity to the epochs of a training.
        share_of: function from a fidelity to the share of a full training that is charged in equivalents.
        epochs_of_recipe: function from the number of a drawn recipe and the size of a group to the epochs of
            a full training; None where no recipes are drawn.
    """

    epochs_of: EpochsOf
    share_of: Callable[[float], float] = float
    epochs_of_recipe: Callable[[int, int], int] | None = None

    def epochs(self, wanted: TrialRequest | Trial) -> int:
        """Return the epochs of a training, of an ensemble those of all its members."""
        n_tasks, (recipe, members) = len(wanted.network.group), wanted.variant
        if recipe and self.epochs_of_recipe is not None:
            return members * self.epochs_of_recipe(recipe, n_tasks)
        return members * self.epochs_of(n_tasks, wanted.fidelity)

    def equivalents(self, wanted: TrialRequest | Trial) -> float:
        """Return the full-network equivalents of a training."""
        return wanted.variant.members * wanted.network.size * self.share_of(wanted.fidelity)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The part of a training budget that is left; None where it sets no limit.

    Attributes:
        trainings: number of trainings, whatever their size and length.
        epochs: sum of epochs over all trainings.
        equivalents: sum of size times fidelity over all trainings.
        seconds: sum of training seconds over all workers.
    """

    trainings: float | None = None
    epochs: float | None = None
    equivalents: float | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, budget: TrainingBudget) -> Allowance:
        """Return the allowance of an unspent budget."""
        return cls(budget.trainings, budget.epochs, None, budget.seconds)

    def less(
        self, *, trainings: float = 0, epochs: float = 0, equivalents: float = 0, seconds: float = 0
    ) -> Allowance:
        """Subtract what is spent or kept back for something else; never below zero."""
        return Allowance(
            _less(self.trainings, trainings),
            _less(self.epochs, epochs),
            _less(self.equivalents, equivalents),
            _less(self.seconds, seconds),
        )

    @property
    def whole_trainings(self) -> int | None:
        """Number of trainings that are left, for the strategy; None where nothing limits it."""
        limits = [limit for limit in (self.trainings, self.equivalents) if limit is not None]
        return math.floor(min(limits) + TOLERANCE) if limits else None

    @property
    def is_out_of_time(self) -> bool:
        """Whether no second is left, so that nothing may start any more."""
        return self.seconds is not None and self.seconds <= 0

    def first_fitting(
        self,
        requests: Iterable[TrialRequest],
        prices: Prices,
        *,
        is_free: Callable[[TrialRequest], bool] = lambda _: False,
    ) -> tuple[TrialRequest, ...]:
        """Return the requests before the first that does not fit any more; free ones always fit.

        Args:
            requests: requests in the order in which they are wanted.
            prices: costs of the trainings.
            is_free: whether a request costs nothing because its outcome is already known.
        """
        trainings = epochs = 0
        equivalents = 0.0
        is_spent = self.is_out_of_time
        fitting: list[TrialRequest] = []
        for request in requests:
            if is_free(request):
                fitting.append(request)
                continue
            trainings += 1
            epochs += prices.epochs(request)
            equivalents += prices.equivalents(request)
            used = ((self.trainings, trainings), (self.epochs, epochs), (self.equivalents, equivalents))
            is_spent |= any(limit is not None and amount > limit + TOLERANCE for limit, amount in used)
            if not is_spent:
                fitting.append(request)
        return tuple(fitting)


def _less(limit: float | None, amount: float) -> float | None:
    return None if limit is None else max(0, limit - amount)
