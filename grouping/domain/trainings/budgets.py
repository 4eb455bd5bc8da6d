"""Rules of the training budget: which trainings it allows, and what it keeps for the confirmation.

A budget may limit trainings, epochs, full-network equivalents (a training counts as its size times its
fidelity, as in Standley et al., 2020) and seconds. One rule holds for all: wanted trainings are planned in
order, up to the first that does not fit any more. Trainings, epochs and equivalents are reserved when a trial
is planned. The seconds of a training are known only afterwards, so anything fits while a second is left, and
planned trials are checked again before they start.

A search that spends everything leaves a recommendation that nobody has confirmed. So the search gets what the
confirmation does not need. Confirming takes rounds: every chosen network and every baseline of equal cost,
once with each fresh seed. Kept back are whole rounds, as many as the search wants and as fit into half of the
budget; none, if not even the `LEAST_ROUNDS` fit that a comparison needs: a search with half of its budget and
no verdict would be worse than either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grouping.domain.costs import fits
from grouping.domain.jobs.job import Ledger
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.trainings.allowance import Allowance, Prices
from grouping.domain.trainings.trials import Purpose, Trial, TrialRequest, TrialState
from grouping.domain.verdicts.tuning import N_RANDOM

LEAST_ROUNDS = 2
"""Fresh seeds without which no noise is known, and so no verdict."""
SHARE_KEPT_BACK = 0.5
"""The most of a training budget that is kept back for the confirmation."""


@dataclass(frozen=True, slots=True)
class ConfirmationRound:
    """Trainings with one fresh seed of a confirmation, without those that cost nothing.

    Attributes:
        networks: number of networks.
        epochs: sum of their epochs.
        equivalents: sum of their full-network equivalents.
    """

    networks: int
    epochs: int
    equivalents: float = 0.0

    @classmethod
    def of(cls, requests: Sequence[TrialRequest], prices: Prices, n_seeds: int) -> ConfirmationRound:
        """Compute the mean round of a confirmation from all its trainings that are still to be done."""
        epochs = sum(prices.epochs(request) for request in requests)
        equivalents = sum(prices.equivalents(request) for request in requests)
        return cls(math.ceil(len(requests) / n_seeds), math.ceil(epochs / n_seeds), equivalents / n_seeds)


@dataclass(frozen=True, slots=True)
class ConfirmationNeed:
    """Networks that a confirmation trains with each fresh seed.

    Attributes:
        baselines: networks of the baselines of equal cost, each once, at their nominal costs.
        most_chosen: the most networks that the recommended groupings add to the baselines.
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

    def most_in_a_round(self, terms: SearchTerms, prices: Prices) -> ConfirmationRound:
        """Return the costliest possible round, in which the costliest candidates are chosen."""
        epochs = sum(prices.epochs_of(len(network.group), 1.0) for network in self.baselines)
        if self.most_chosen:
            sizes = range(1, max(1, terms.candidates.max_group_size) + 1)
            epochs += self.most_chosen * max(prices.epochs_of(n_tasks, 1.0) for n_tasks in sizes)
        equivalents = sum(network.size for network in self.baselines) + self.most_chosen
        return ConfirmationRound(self.most, epochs, equivalents)

    @classmethod
    def of(cls, terms: SearchTerms) -> ConfirmationNeed:
        """Compute the need before anything is trained; none without a confirmation."""
        if not terms.confirmation_seeds:
            return cls((), 0)
        baselines: dict[NetworkKey, Network] = {}
        for budget in terms.budgets_snt:
            for baseline in terms.baselines.of_cost(terms.candidates.tasks, budget):
                baselines |= {network.key: network for network in baseline.networks}
        return cls(tuple(baselines.values()), most_chosen(terms.candidates, terms.budgets_snt))


def tuning_at_most(terms: SearchTerms, prices: Prices) -> ConfirmationRound:
    """Bound all trainings that tuning takes, those with fresh seeds included; none where nothing is tuned."""
    tuning, tasks = terms.tuning, terms.candidates.tasks
    if tuning is None:
        return ConfirmationRound(0, 0)
    longest = max(
        prices.epochs_of_recipe(recipe, n_tasks) if prices.epochs_of_recipe else prices.epochs_of(n_tasks, 1)
        for recipe in range(tuning.n_recipes)
        for n_tasks in (1, len(tasks))
    )
    n_fresh, networks, epochs, equivalents = len(terms.confirmation_seeds), 0, 0, 0.0
    for budget in terms.budgets_snt:
        chosen = most_chosen(terms.candidates, (budget,))
        baselines = sum(len(one.networks) for one in terms.baselines.of_cost(tasks, budget))
        is_split = chosen > 1
        # Each is tuned and trained with fresh seeds, an ensemble too; random groupings with fresh seeds only.
        per_network = tuning.trainings + n_fresh
        networks += (chosen + baselines + is_split) * per_network + N_RANDOM * chosen * n_fresh
        trained = (chosen + baselines + is_split * chosen) * per_network + N_RANDOM * chosen * n_fresh
        epochs += trained * longest
        equivalents += (3 + is_split) * budget * per_network + N_RANDOM * budget * n_fresh
    return ConfirmationRound(networks, epochs, equivalents)


def kept_for_tuning(terms: SearchTerms, prices: Prices) -> ConfirmationRound:
    """Return what the search leaves to the tuning: its bound, or nothing if that is over half the budget."""
    most, budget = tuning_at_most(terms, prices), terms.training_budget
    costs = (
        (budget.trainings, most.networks),
        (budget.epochs, most.epochs),
        (budget.equivalents, most.equivalents),
    )
    fits_in = all(limit is None or cost <= SHARE_KEPT_BACK * limit for limit, cost in costs)
    return most if fits_in else ConfirmationRound(0, 0)


def most_chosen(candidates: Candidates, budgets_snt: Sequence[float]) -> int:
    """Bound the number of networks that groupings for all inference budgets have together.

    A grouping never needs more networks than tasks, nor more than its budget buys of the cheapest candidate.
    """
    cheapest = min((network.cost_snt for network in candidates.singles), default=1.0)
    total = 0
    for budget in budgets_snt:
        affordable = math.floor(budget / cheapest)
        total += min(len(candidates.tasks), affordable + fits((affordable + 1) * cheapest, budget))
    return min(total, candidates.count)


def allowance_left(budget: Allowance, state: SearchState, prices: Prices) -> Allowance:
    """Compute what may still be planned. Trials count once planned; copied and skipped ones never do.

    A trial that continued a shorter one carries out fewer epochs than planned. The rest is given back when it
    has succeeded and not before: without the checkpoint it would have needed them all.
    """
    counted = [trial for trial in state.trials if trial.is_charged]
    epochs = sum(t.epochs if t.state is TrialState.SUCCEEDED else t.planned_epochs for t in counted)
    equivalents = sum(prices.equivalents(trial) for trial in counted)
    return budget.less(
        trainings=len(counted), epochs=epochs, equivalents=equivalents, seconds=state.spent.seconds
    )


def allowance_of_search(
    terms: SearchTerms, left: Allowance, one_round: ConfirmationRound, epoch_s: float
) -> Allowance:
    """Compute what the search may use: what is left, without what is kept for the confirmation.

    Args:
        terms: terms of the search, with its budget and its fresh seeds.
        left: what is left of the budget.
        one_round: trainings of the confirmation with one fresh seed.
        epoch_s: mean seconds of an epoch so far; 0 while unknown, then no second is kept back.
    """
    rounds = rounds_kept_back(terms, one_round, epoch_s)
    return left.less(
        trainings=rounds * one_round.networks,
        epochs=rounds * one_round.epochs,
        equivalents=rounds * one_round.equivalents,
        seconds=rounds * one_round.epochs * epoch_s,
    )


def rounds_kept_back(terms: SearchTerms, one_round: ConfirmationRound, epoch_s: float = 0.0) -> int:
    """Return how many rounds of the confirmation the search must leave room for; 0 to all of them.

    Args:
        terms, one_round, epoch_s: as `allowance_of_search`.
    """
    budget, wanted = terms.training_budget, len(terms.confirmation_seeds)
    costs = (
        (budget.trainings, one_round.networks),
        (budget.epochs, one_round.epochs),
        (budget.equivalents, one_round.equivalents),
        (budget.seconds, one_round.epochs * epoch_s),
    )
    rounds = wanted
    for limit, cost in costs:
        if limit is not None and cost:
            rounds = math.floor(min(rounds, SHARE_KEPT_BACK * limit / cost))
    return rounds if rounds >= min(LEAST_ROUNDS, wanted) else 0


def is_time_short(terms: SearchTerms, spent: Ledger) -> bool:
    """Return whether so many seconds are spent that the search may have to end for the confirmation."""
    limit = terms.training_budget.seconds
    return limit is not None and spent.seconds >= limit * (1 - SHARE_KEPT_BACK)


def trials_over_time(
    terms: SearchTerms, planned: Iterable[Trial], spent: Ledger, one_round: ConfirmationRound
) -> tuple[Trial, ...]:
    """Return planned trials that must not start any more, because the budget's seconds are spent.

    Args:
        terms: terms of the search, with its budget.
        planned: trials that have not started.
        spent: spending so far.
        one_round: trainings of the confirmation with one fresh seed.
    """
    left = terms.training_budget.less(seconds=spent.seconds)
    of_search = allowance_of_search(terms, left, one_round, epoch_seconds(spent))
    return tuple(
        trial for trial in planned if (of_search if trial.purpose is Purpose.SEARCH else left).is_out_of_time
    )


def epoch_seconds(spent: Ledger) -> float:
    """Compute the mean seconds of an epoch so far; 0 while unknown."""
    return spent.seconds / spent.epochs if spent.epochs else 0.0
