"""Estimate of what it takes to tune each of the groupings that a verdict compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.trainings.allowance import Prices
from grouping.domain.trainings.budgets import tuning_at_most
from grouping.domain.trainings.ledgers import Amount, Rates, cost_of
from grouping.strategies.forecast import Forecast, Kind


def forecast_tuning(terms: SearchTerms, prices: Prices, rates: Rates) -> tuple[Forecast, Amount, Amount]:
    """Forecast tuning and its fresh seeds: at least those of the baselines, and a bound.

    Recipes differ in their epochs: the least cost is that of the shortest one, the most of the longest.

    Returns:
        Trainings by kind, the least cost, and the most.
    """
    tuning = terms.tuning
    if tuning is None:
        return Forecast({}, {}), Amount(), Amount()
    per_network = tuning.trainings + len(terms.confirmation_seeds)
    lower: Counter[Kind] = Counter()
    for budget in terms.budgets_snt:
        for baseline in terms.baselines.of_cost(terms.candidates.tasks, budget):
            for network in baseline.networks:
                lower[len(network.group), network.size, 1.0] += per_network
    most = tuning_at_most(terms, prices)
    largest: Kind = (terms.candidates.max_group_size, 1.0, 1.0)
    upper = lower + Counter({largest: most.networks - lower.total()})
    shortest = cost_of(lower, _epochs(prices, tuning.n_recipes, min), rates)
    longest = cost_of(upper, _epochs(prices, tuning.n_recipes, max), rates)
    most_s = None if longest.seconds is None else longest.seconds * most.epochs / max(1, longest.epochs)
    costliest = Amount(most.networks, most.epochs, most.equivalents, most_s)
    return Forecast(lower, upper), shortest, costliest


def _epochs(prices: Prices, n_recipes: int, chosen: Callable[..., int]) -> Callable[[int, float], int]:
    of_recipe = prices.epochs_of_recipe

    def epochs_of(n_tasks: int, fidelity: float) -> int:
        own = prices.epochs_of(n_tasks, fidelity)
        return own if of_recipe is None else chosen(of_recipe(r, n_tasks) for r in range(n_recipes))

    return epochs_of
