"""The rule that cuts a training budget, and what of it is kept back for the confirmation.

A budget may limit trainings, epochs, full-network equivalents (a training counts as its size times its
fidelity, as Standley et al., 2020, count) and seconds, and one rule cuts them all: of what is wanted, in
order, everything up to the first that does not fit any more. Trainings, epochs and equivalents are reserved
when a trial is planned. What a training takes in seconds is known only afterwards, so anything fits while a
second is left, and planned trials are asked again before they start.

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

from grouping.domain.allowance import Allowance, Prices
from grouping.domain.groupings import fits
from grouping.domain.jobs import Ledger
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.search_state import SearchState, SearchTerms
from grouping.domain.trials import Purpose, Trial, TrialRequest, TrialState
from grouping.domain.verdicts import equal_cost_baselines

LEAST_ROUNDS = 2
"""Fresh seeds without which no noise is known, and so no verdict."""
SHARE_KEPT_BACK = 0.5
"""The most of a training budget that is kept back for the confirmation."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is trained with each fresh seed of a confirmation, as far as it costs something.

    Attributes:
        networks: how many.
        epochs: of all of them.
        equivalents: of all of them, in full-network equivalents.
    """

    networks: int
    epochs: int
    equivalents: float = 0.0

    @classmethod
    def of(cls, requests: Sequence[TrialRequest], prices: Prices, n_seeds: int) -> Round:
        """The share of one seed of what is still to be trained with all of them."""
        epochs = sum(prices.epochs(request) for request in requests)
        equivalents = sum(prices.equivalents(request) for request in requests)
        return cls(math.ceil(len(requests) / n_seeds), math.ceil(epochs / n_seeds), equivalents / n_seeds)


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

    def most_in_a_round(self, terms: SearchTerms, prices: Prices) -> Round:
        """The most that is trained with each fresh seed: what is chosen may be the costliest candidates."""
        epochs = sum(prices.epochs_of(len(network.group), 1.0) for network in self.baselines)
        if self.most_chosen:
            sizes = range(1, max(1, terms.candidates.max_group_size) + 1)
            epochs += self.most_chosen * max(prices.epochs_of(n_tasks, 1.0) for n_tasks in sizes)
        equivalents = sum(network.size for network in self.baselines) + self.most_chosen
        return Round(self.most, epochs, equivalents)

    @classmethod
    def of(cls, terms: SearchTerms) -> ConfirmationNeed:
        """Before anything is trained; nothing if nothing is to be confirmed."""
        if not terms.confirmation_seeds:
            return cls((), 0)
        baselines: dict[NetworkKey, Network] = {}
        for budget in terms.budgets_snt:
            for baseline in equal_cost_baselines(terms.candidates.tasks, budget):
                baselines |= {network.key: network for network in baseline.networks}
        return cls(tuple(baselines.values()), most_chosen(terms.candidates, terms.budgets_snt))


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


def allowance_left(budget: Allowance, state: SearchState, prices: Prices) -> Allowance:
    """What may still be planned. Trials count once planned; copied and skipped ones never do.

    A trial that went on from a shorter one carries out fewer epochs than planned. They are given back when it
    has succeeded and not before: had its checkpoint been gone, it would have needed them all.
    """
    counted = [trial for trial in state.trials if trial.is_charged]
    epochs = sum(t.epochs if t.state is TrialState.SUCCEEDED else t.planned_epochs for t in counted)
    equivalents = sum(prices.equivalents(trial) for trial in counted)
    return budget.less(
        trainings=len(counted), epochs=epochs, equivalents=equivalents, seconds=state.spent.seconds
    )


def allowance_of_search(terms: SearchTerms, left: Allowance, one_round: Round, epoch_s: float) -> Allowance:
    """What the search may use of what is left: not what is kept back for the confirmation.

    Args:
        terms: says what the budget is and how many fresh seeds are wanted.
        left: of the budget.
        one_round: what the confirmation trains with each fresh seed.
        epoch_s: mean seconds of an epoch so far; 0 while unknown, then no second is kept back.
    """
    rounds = rounds_kept_back(terms, one_round, epoch_s)
    return left.less(
        trainings=rounds * one_round.networks,
        epochs=rounds * one_round.epochs,
        equivalents=rounds * one_round.equivalents,
        seconds=rounds * one_round.epochs * epoch_s,
    )


def rounds_kept_back(terms: SearchTerms, one_round: Round, epoch_s: float = 0.0) -> int:
    """Rounds of the confirmation that the search has to leave room for, from 0 to the number of fresh seeds.

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
    """Whether so much of the seconds is spent that the search may have to end for the confirmation's sake."""
    limit = terms.training_budget.seconds
    return limit is not None and spent.seconds >= limit * (1 - SHARE_KEPT_BACK)


def trials_over_time(
    terms: SearchTerms, planned: Iterable[Trial], spent: Ledger, one_round: Round
) -> tuple[Trial, ...]:
    """Planned trials that must not start any more, because the seconds of the budget are spent.

    Args:
        terms: says what the budget is.
        planned: trials that have not started.
        spent: so far.
        one_round: what the confirmation trains with each fresh seed.
    """
    left = terms.training_budget.less(seconds=spent.seconds)
    of_search = allowance_of_search(terms, left, one_round, epoch_seconds(spent))
    allowances = {Purpose.SEARCH: of_search, Purpose.CONFIRMATION: left}
    return tuple(trial for trial in planned if allowances[trial.purpose].is_out_of_time)


def epoch_seconds(spent: Ledger) -> float:
    """Mean seconds of an epoch so far; 0 while unknown."""
    return spent.seconds / spent.epochs if spent.epochs else 0.0
