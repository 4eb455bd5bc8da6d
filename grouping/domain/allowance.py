"""What a training budget still holds, and what of it is kept back for the confirmation.

A search that spends everything leaves a recommendation that nobody has confirmed. So the search gets what the
confirmation does not need. Confirming takes rounds: every chosen network and every baseline of equal cost,
once with each fresh seed. Kept back are whole rounds, as many as the job wants and as fit into half of the
budget; none, if not even the `LEAST_ROUNDS` fit that a comparison needs: a search with half of its budget and
no verdict would be worse than either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grouping.domain.groupings import fits
from grouping.domain.jobs import JobSpec, TrainingBudget
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.recipes import EpochsOf
from grouping.domain.trials import TrialRequest
from grouping.domain.verdicts import equal_cost_baselines

LEAST_ROUNDS = 2
"""Fresh seeds without which no noise is known, and so no verdict."""
SHARE_KEPT_BACK = 0.5
"""The most of a training budget that is kept back for the confirmation."""


class Fit(StrEnum):
    """Whether what is wanted fits into the training budget."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"
    """The least fits and the most does not."""
    UNKNOWN = "unknown"
    """The budget is in seconds, and there is no basis for a time."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is trained with each fresh seed of a confirmation, as far as it costs something.

    Attributes:
        networks: how many.
        epochs: of all of them.
    """

    networks: int
    epochs: int


@dataclass(frozen=True, slots=True)
class ConfirmationNeed:
    """Networks that a confirmation trains with each fresh seed.

    Attributes:
        baselines: those of the baselines of equal cost, each once, at nominal cost.
        most_chosen: the most networks that the recommended groupings add to them.
    """

    baselines: tuple[Network, ...]
    most_chosen: int

    @property
    def least(self) -> int:
        """The fewest networks: every recommendation is a baseline itself."""
        return len(self.baselines)

    @property
    def most(self) -> int:
        """The most networks."""
        return len(self.baselines) + self.most_chosen

    def most_in_a_round(self, spec: JobSpec, epochs_of: EpochsOf) -> Round:
        """The most that is trained with each fresh seed: what is chosen may be the costliest candidates."""
        epochs = sum(epochs_of(len(network.group), 1.0) for network in self.baselines)
        if self.most_chosen:
            sizes = range(1, max(1, spec.candidates.max_group_size) + 1)
            epochs += self.most_chosen * max(epochs_of(n_tasks, 1.0) for n_tasks in sizes)
        return Round(self.most, epochs)

    @classmethod
    def of(cls, spec: JobSpec) -> ConfirmationNeed:
        """Before anything is trained; nothing if the job confirms nothing."""
        if not spec.n_confirmation_seeds:
            return cls((), 0)
        baselines: dict[NetworkKey, Network] = {}
        for budget in spec.budgets_snt:
            for baseline in equal_cost_baselines(spec.tasks, budget):
                baselines |= {n.key: n for n in baseline.networks}
        return cls(tuple(baselines.values()), most_chosen(spec.candidates, spec.budgets_snt))


def most_chosen(candidates: Candidates, budgets_snt: Sequence[float]) -> int:
    """The most networks that groupings for all inference budgets have together.

    A grouping never needs more networks than tasks, nor more than its budget buys of the cheapest candidate.
    """
    cheapest = min((network.cost_snt for network in candidates.singles), default=1.0)
    total = 0
    for budget in budgets_snt:
        affordable = math.floor(budget / cheapest)
        total += min(len(candidates.tasks), affordable + fits((affordable + 1) * cheapest, budget))
    return min(total, candidates.count)


def rounds_kept_back(budget: TrainingBudget, spec: JobSpec, one_round: Round) -> int:
    """Rounds of the confirmation that the search has to leave room for, from 0 to the number of fresh seeds.

    Args:
        budget: the whole training budget; only its trainings and epochs are looked at.
        spec: says how many fresh seeds are wanted.
        one_round: what is trained with each.
    """
    costs = ((budget.trainings, one_round.networks), (budget.epochs, one_round.epochs))
    rounds = spec.n_confirmation_seeds
    for limit, cost in costs:
        if limit is not None and cost:
            rounds = min(rounds, math.floor(SHARE_KEPT_BACK * limit) // cost)
    return _enough(rounds, spec)


def seconds_kept_back(limit: float, spec: JobSpec, one_round: Round, epoch_s: float) -> float:
    """As `rounds_kept_back`, in seconds of a budget in seconds.

    Args:
        limit: the whole budget in seconds.
        spec: says how many fresh seeds are wanted.
        one_round: what is trained with each.
        epoch_s: mean seconds of an epoch so far; 0 while unknown, then nothing is kept back.
    """
    cost = one_round.epochs * epoch_s
    if cost <= 0:
        return 0.0
    rounds = min(spec.n_confirmation_seeds, math.floor(min(SHARE_KEPT_BACK * limit / cost, 1e9)))
    return _enough(rounds, spec) * cost


def _enough(rounds: int, spec: JobSpec) -> int:
    return rounds if rounds >= min(LEAST_ROUNDS, spec.n_confirmation_seeds) else 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """Trainings and epochs that may still be planned; None where the budget sets no limit.

    Attributes:
        trainings: of any size and length.
        epochs: over all trainings.
    """

    trainings: int | None = None
    epochs: int | None = None

    @classmethod
    def left(cls, budget: TrainingBudget, trainings: int, epochs: int) -> Allowance:
        """The budget less what is planned already; never below zero."""
        return cls(_less(budget.trainings, trainings), _less(budget.epochs, epochs))

    def less(self, trainings: int, epochs: int) -> Allowance:
        """This less what is kept back for something else; never below zero."""
        return Allowance(_less(self.trainings, trainings), _less(self.epochs, epochs))

    def first_fitting(
        self,
        requests: Iterable[TrialRequest],
        epochs_of: EpochsOf,
        *,
        is_free: Callable[[TrialRequest], bool] = lambda _: False,
    ) -> tuple[TrialRequest, ...]:
        """The requests up to the first that does not fit any more; those that are free always fit.

        Args:
            requests: in the order in which they are wanted.
            epochs_of: says how many epochs each takes.
            is_free: whether a request costs nothing, since its outcome is known.
        """
        trainings = epochs = 0
        is_spent = False
        fitting: list[TrialRequest] = []
        for request in requests:
            if is_free(request):
                fitting.append(request)
                continue
            trainings += 1
            epochs += epochs_of(len(request.network.group), request.fidelity)
            is_spent |= self.trainings is not None and trainings > self.trainings
            is_spent |= self.epochs is not None and epochs > self.epochs
            if not is_spent:
                fitting.append(request)
        return tuple(fitting)


def _less(limit: int | None, amount: int) -> int | None:
    return None if limit is None else max(0, limit - amount)
