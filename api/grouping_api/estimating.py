"""What a job would cost, told before it is submitted: counts from the strategies, times from the database.

Nothing is stored and nothing is made up: a time rests on finished trainings of the same problem with networks
built alike, or is not given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.allowance import Fit, Prices
from grouping.domain.jobs import JobSpec, TrainingBudget
from grouping.domain.ledgers import Amount, Rates, cost_of
from grouping.domain.search_state import SearchState, SearchTerms
from grouping.domain.tasks import Task
from grouping.domain.training_budgets import ConfirmationNeed, rounds_kept_back
from grouping.domain.trials import Purpose, TrialRequest
from grouping.errors import GroupingError
from grouping.recipes import epochs_of
from grouping.search import evidence_of
from grouping.solver import solve_budgets
from grouping.store import Store, count_reusable
from grouping.strategies import Evidence, Strategy, get_strategy, list_strategies
from grouping.strategies.forecast import Forecast, Kind, count_candidate_shapes, exhaustive, forecast
from grouping_api.job_estimates import Bounds, JobEstimate, Option, reuse_of


def estimate(
    store: Store, spec: JobSpec, tasks: Sequence[Task], *, n_workers: int | None = None
) -> JobEstimate:
    """Count and time what a job would train.

    Args:
        store: finished jobs are the basis of the times, and may be reused.
        spec: the job, checked.
        tasks: its tasks.
        n_workers: trainings at the same time, for the wall time.

    Raises:
        GroupingError: if the strategy refuses the candidates.
    """
    sources, known = store.reusable_for(spec, tasks)
    if spec.tuning_samples:
        known = {}  # the recipe is not known before it is tuned
    measured, n_jobs = store.training_rates(spec.problem, spec.recipe)
    rates = Rates(measured)
    terms = SearchTerms.of_job(spec)
    need = ConfirmationNeed.of(terms)
    kept = _kept_back(spec, terms, need)
    free = _Free.of(spec, SearchState(tuple(tasks), known_elsewhere=known))
    left = terms.training_budget.less(trainings=kept or 0)
    evidence = evidence_of(terms, SearchState(tuple(tasks)), left.whole_trainings)
    confirmation = _bounds(_confirmation(spec, need, free), spec, rates)
    strategy = get_strategy(spec.strategy, spec.strategy_parameters)
    search = _bounds(free.forecast(strategy, evidence), spec, rates)
    option = _option(spec, spec.strategy, search, confirmation)
    others = []
    for info in list_strategies():
        if info.name == spec.strategy:
            continue
        try:
            other = _bounds(free.forecast(get_strategy(info.name), evidence), spec, rates)
        except GroupingError:
            continue  # it cannot do this job, such as one that would have to list too many candidates
        others.append(_option(spec, info.name, other, confirmation))
    return JobEstimate(
        spec=spec,
        search=search,
        confirmation=confirmation,
        exhaustive=cost_of(exhaustive(evidence), epochs_of(spec.recipe), rates),
        rates=rates,
        n_jobs=n_jobs,
        kept_back=kept,
        option=option,
        options=tuple(
            sorted([option, *others], key=lambda o: (o.upper.trainings, o.lower.trainings, o.name))
        ),
        reuse=reuse_of(*count_reusable(spec, known), sources),
        n_workers=n_workers,
    )


@dataclass(frozen=True, slots=True)
class _Free:
    """What other jobs know.

    Attributes:
        state: that says of every request whether its outcome is known.
        candidates: full trainings of candidates by kind.
    """

    state: SearchState
    candidates: Mapping[Kind, int]

    @classmethod
    def of(cls, spec: JobSpec, state: SearchState) -> _Free:
        shapes = count_candidate_shapes(spec.candidates)
        kinds = Counter(
            (len(key.network.group), key.network.size, 1.0)
            for key in state.known_elsewhere
            if key.purpose is Purpose.SEARCH and key.fidelity == 1 and key.seed in spec.search_seeds
        )
        free = {kind: n for kind, n in kinds.items() if kind[:2] in shapes}
        return cls(state, free)

    def forecast(self, strategy: Strategy, evidence: Evidence) -> Forecast:
        """What a strategy trains beside what is known."""
        return forecast(strategy, evidence, solve_budgets, is_free=self.state.is_free, n_free=self.candidates)


def _kept_back(spec: JobSpec, terms: SearchTerms, need: ConfirmationNeed) -> int | None:
    budget = spec.training_budget
    if budget.trainings is None and budget.epochs is None:
        return None
    one_round = need.most_in_a_round(terms, Prices(epochs_of(spec.recipe)))
    return one_round.networks * rounds_kept_back(terms, one_round)


def _confirmation(spec: JobSpec, need: ConfirmationNeed, free: _Free) -> Forecast:
    """The baselines for certain; the chosen networks at most, and then the largest of the candidates."""
    wanted = [
        TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
        for seed in spec.confirmation_seeds
        for network in need.baselines
    ]
    lower = Counter((len(r.network.group), r.network.size, 1.0) for r in wanted if not free.state.is_free(r))
    upper = Counter(lower)
    if need.most_chosen:
        for shape, count in count_candidate_shapes(spec.candidates).items():
            upper[(*shape, 1.0)] += count * spec.n_confirmation_seeds
    most = sum(lower.values()) + need.most_chosen * spec.n_confirmation_seeds
    return Forecast(lower, upper, most)


def _bounds(told: Forecast, spec: JobSpec, rates: Rates) -> Bounds:
    counting = epochs_of(spec.recipe)
    return Bounds(told, cost_of(told.lower, counting, rates), cost_of(told.costliest(), counting, rates))


def _option(spec: JobSpec, name: str, search: Bounds, confirmation: Bounds) -> Option:
    lower, upper = search.lower + confirmation.lower, search.upper + confirmation.upper
    return Option(name, lower, upper, fit_of(spec.training_budget, lower, upper))


def fit_of(budget: TrainingBudget, lower: Amount, upper: Amount) -> Fit:
    """Whether an amount between two bounds is within a training budget."""
    found = set()
    for name in ("trainings", "epochs", "seconds"):
        limit, least, most = getattr(budget, name), getattr(lower, name), getattr(upper, name)
        if limit is None:
            continue
        if least is not None and least > limit:
            found.add(Fit.NO)
        elif most is None:
            found.add(Fit.UNKNOWN)
        else:
            found.add(Fit.YES if most <= limit else Fit.PERHAPS)
    return next((fit for fit in (Fit.NO, Fit.UNKNOWN, Fit.PERHAPS) if fit in found), Fit.YES)
