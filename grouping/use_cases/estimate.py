"""Estimate of the cost of a job before it is submitted.

Counts come from the strategies, times from the database. Nothing is stored. A time is based on finished
trainings of the same problem with networks built alike; without any, no time is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grouping.domain.constraints import Constraints
from grouping.domain.jobs.reuse import count_reusable
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.jobs.sentences import Stated
from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.scales import networks_first
from grouping.domain.tasks import Task
from grouping.domain.trainings.allowance import Fit, Prices
from grouping.domain.trainings.budgets import ConfirmationNeed, rounds_kept_back
from grouping.domain.trainings.ledgers import Amount, Rates, cost_of
from grouping.domain.trainings.trials import EpochsOf, Purpose, TrialRequest
from grouping.errors import GroupingError, InvalidInputError
from grouping.problems.registry import get_problem
from grouping.search import evidence_of
from grouping.solver import BudgetSolver
from grouping.strategies import Evidence, Strategy, get_strategy, list_strategies
from grouping.strategies.forecast import Forecast, Kind, count_candidate_shapes, exhaustive, forecast
from grouping.trainers import Trainer, trainer_for
from grouping.use_cases.estimate_words import estimate_sentence, kind_names, time_sentence
from grouping.use_cases.results import told_trials
from grouping.use_cases.submit import build_spec, can_train, with_reused
from grouping.use_cases.tuning_estimate import forecast_tuning
from grouping.wire.amounts import ReuseOut
from grouping.wire.estimates import BasisOut, EstimateOut, ExhaustiveOut, KindOut, OptionOut
from grouping.wire.requests import JobRequest

if TYPE_CHECKING:  # a job may be priced without a database
    from grouping.store import Store


def estimate(request: JobRequest, store: Store | None, *, n_workers: int | None = None) -> EstimateOut:
    """Estimate the number, epochs and time of the trainings of a job.

    Args:
        request: the job.
        store: database whose finished jobs give the times and may be reused; None without a database.
        n_workers: number of trainings at the same time, for the wall time; None if unknown.

    Raises:
        GroupingError: if the job would be refused, or its strategy refuses the candidates.
    """
    spec, tasks = build_spec(request)
    spec = with_reused(spec, store)
    sources, known = ((), {}) if store is None else store.reusable_for(spec, tasks)
    measured, n_jobs = ({}, 0) if store is None else store.training_rates(spec)
    trainer, terms = trainer_for(spec), SearchTerms.of_job(spec)
    if trainer.scores_depend_on(spec.trainer_parameters, None) is None:
        known = {}  # such as a recipe that is tuned first
    told = told_trials(spec, tasks, [told.results() for told in request.results])
    prices = trainer.trainings.prices
    pricing = _Pricing(spec, Rates(measured), prices.epochs_of)
    need = ConfirmationNeed.of(terms)
    kept = _kept_back(spec, terms, need, pricing.epochs_of)
    free = _Free.of(spec, SearchState(tuple(tasks), known_elsewhere={**told, **known}))
    left = terms.training_budget.less(trainings=kept or 0)
    evidence = evidence_of(terms, SearchState(tuple(tasks)), left.whole_trainings)
    confirmation = pricing.bounds(_confirmation(spec, need, free))
    tuning = Bounds(*forecast_tuning(terms, prices, pricing.rates))
    after = Bounds(
        confirmation.forecast, confirmation.lower + tuning.lower, confirmation.upper + tuning.upper
    )
    strategy = get_strategy(spec.strategy, spec.strategy_parameters)
    search = pricing.bounds(free.forecast(strategy, evidence))
    chosen = pricing.option(spec.strategy, search, after)
    options = [chosen]
    for other in _other_strategies(spec, trainer):
        try:
            bounds = pricing.bounds(free.forecast(other, evidence))
        except GroupingError:
            continue  # it cannot search this job: for example, it would have to list too many candidates
        options.append(pricing.option(other.name, bounds, after))
    options.sort(key=lambda o: (o.upper.trainings, o.lower.trainings, o.name))
    largest = next((option.name for option in reversed(options) if option.fits is Fit.YES), None)
    whole = cost_of(exhaustive(evidence), pricing.epochs_of, pricing.rates)
    shares = search.lower.epochs / (whole.epochs or 1), search.upper.epochs / (whole.epochs or 1)
    reusable, of = count_reusable(spec, known)
    return EstimateOut.read(
        spec=spec,
        search=search,
        confirmation=confirmation,
        tuning=tuning,
        option=chosen,
        kinds=[
            *pricing.kinds(Purpose.SEARCH, search),
            *pricing.kinds(Purpose.CONFIRMATION, confirmation),
            *pricing.kinds(Purpose.TUNING, tuning),
        ],
        wall_seconds_lower=_wall(chosen.lower.seconds, n_workers),
        wall_seconds_upper=_wall(chosen.upper.seconds, n_workers),
        basis=pricing.basis(n_jobs, chosen, {*search.kinds, *confirmation.kinds}),
        exhaustive=ExhaustiveOut.read(
            whole, networks=spec.candidates.count, share_lower=shares[0], share_upper=shares[1]
        ),
        kept_back=kept,
        largest_that_fits=largest,
        options=options,
        told=len(told),
        reuse=ReuseOut.read(reusable=reusable, of=of, jobs=sources) if sources else None,
        findings=get_problem(spec.problem).findings if spec.problem else (),
        stated=Stated.of(spec).sentences,
        sentence=estimate_sentence(
            spec,
            chosen,
            confirmation.trainings,
            tuning.trainings,
            shares,
            kept,
            largest,
            trainer.preparation(spec.trainer_parameters),
        ),
    )


def expected_trainings(spec: JobSpec, tasks: Sequence[Task]) -> dict[Purpose, tuple[int, int]]:
    """Return the fewest and the most trainings of a job to search and to confirm, copied ones included.

    Args:
        spec: the job.
        tasks: its tasks.

    Raises:
        GroupingError: if its strategy is not installed, or refuses the candidates.
    """
    trainer, terms = trainer_for(spec), SearchTerms.of_job(spec)
    pricing = _Pricing(spec, Rates({}), trainer.trainings.prices.epochs_of)
    need = ConfirmationNeed.of(terms)
    state = SearchState(tuple(tasks))
    free = _Free.of(spec, state)
    left = terms.training_budget.less(trainings=_kept_back(spec, terms, need, pricing.epochs_of) or 0)
    strategy = get_strategy(spec.strategy, spec.strategy_parameters)
    evidence = evidence_of(terms, state, left.whole_trainings)
    return {
        Purpose.SEARCH: pricing.bounds(free.forecast(strategy, evidence)).trainings,
        Purpose.CONFIRMATION: pricing.bounds(_confirmation(spec, need, free)).trainings,
    }


@dataclass(frozen=True, slots=True)
class Bounds:
    """Trainings of one purpose, with lower and upper bounds of their cost."""

    forecast: Forecast
    lower: Amount
    upper: Amount

    @property
    def kinds(self) -> Mapping[Kind, int]:
        """Trainings by kind in the costliest case."""
        return self.forecast.costliest()

    @property
    def trainings(self) -> tuple[int, int]:
        """Lower and upper bound of the number of trainings."""
        return self.lower.trainings, self.upper.trainings


@dataclass(frozen=True, slots=True)
class _Pricing:
    """Prices of the trainings of a job."""

    spec: JobSpec
    rates: Rates
    epochs_of: EpochsOf

    def bounds(self, told: Forecast) -> Bounds:
        """Return lower and upper bounds of the cost of the forecast trainings."""
        lower, upper = (cost_of(n, self.epochs_of, self.rates) for n in (told.lower, told.costliest()))
        return Bounds(told, lower, upper)

    def option(self, name: str, search: Bounds, confirmation: Bounds) -> OptionOut:
        """Price the job with a strategy, its confirmation and tuning included."""
        lower, upper = search.lower + confirmation.lower, search.upper + confirmation.upper
        fit = _fit_of(self.spec.training_budget, lower, upper)
        return OptionOut.read(name=name, lower=lower, upper=upper, fit=fit)

    def kinds(self, purpose: Purpose, bounds: Bounds) -> Iterator[KindOut]:
        """Yield bounds on the number of trainings of each kind."""
        lower, upper = bounds.forecast.lower, bounds.kinds
        for group_size, size, fidelity in sorted({*lower, *upper}):
            kind = group_size, size, fidelity
            rate = self.rates.find(group_size, size)
            yield KindOut(
                purpose=purpose,
                group_size=group_size,
                size=size,
                fidelity=fidelity,
                lower=lower.get(kind, 0),
                upper=upper.get(kind, 0),
                epoch_s=None if rate is None else rate.epoch_s,
            )

    def basis(self, n_jobs: int, chosen: OptionOut, wanted: set[Kind]) -> BasisOut:
        """Describe the measurements behind the times, and the kinds of networks that lack one."""
        shapes = {(group_size, size) for group_size, size, _ in wanted}
        missing = kind_names(shape for shape in shapes if self.rates.find(*shape) is None)
        n = self.rates.trainings
        said = time_sentence(self.spec, chosen, n, n_jobs, missing)
        return BasisOut(jobs=n_jobs, trainings=n, missing=missing, sentence=said)


@dataclass(frozen=True, slots=True)
class _Free:
    """Outcomes known from other jobs, which cost nothing.

    Attributes:
        state: search state that tells whether the outcome of a request is known.
        candidates: number of known full trainings of candidates, by kind.
        constraints: what a grouping must satisfy.
    """

    state: SearchState
    candidates: Mapping[Kind, int]
    constraints: Constraints

    @classmethod
    def of(cls, spec: JobSpec, state: SearchState) -> _Free:
        shapes = count_candidate_shapes(spec.candidates)
        kinds = Counter(
            (len(key.network.group), key.network.size, 1.0)
            for key in state.known_elsewhere
            if key.purpose is Purpose.SEARCH and key.fidelity == 1 and key.seed in spec.search_seeds
        )
        known = {kind: n for kind, n in kinds.items() if kind[:2] in shapes}
        return cls(state, known, spec.constraints)

    def forecast(self, strategy: Strategy, evidence: Evidence) -> Forecast:
        """Forecast the trainings of a strategy beyond the known ones."""
        solver = BudgetSolver(self.constraints)
        told = forecast(strategy, evidence, solver, is_free=self.state.is_free, n_free=self.candidates)
        first = [
            request
            for seed in evidence.seeds
            for network in networks_first(self.state.tasks, self.constraints)
            if not self.state.is_free(request := TrialRequest(network, seed))
        ]
        return told.beginning_with(Counter({(1, 1.0, 1.0): len(first)})) if first else told


def _other_strategies(spec: JobSpec, trainer: Trainer) -> Iterator[Strategy]:
    """Yield the other strategies that could search the job, with their default parameters."""
    for info in list_strategies():
        if info.name != spec.strategy:
            try:
                strategy = get_strategy(info.name)
            except InvalidInputError:
                continue  # it has no defaults
            if can_train(trainer.measures_affinities, strategy):
                yield strategy


def _kept_back(spec: JobSpec, terms: SearchTerms, need: ConfirmationNeed, epochs_of: EpochsOf) -> int | None:
    budget = spec.training_budget
    if budget.trainings is None and budget.epochs is None:
        return None
    one_round = need.most_in_a_round(terms, Prices(epochs_of))
    return one_round.networks * rounds_kept_back(terms, one_round)


def _confirmation(spec: JobSpec, need: ConfirmationNeed, free: _Free) -> Forecast:
    """Forecast the confirmation: at least the baselines, at most also the costliest candidates."""
    wanted = [
        TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
        for seed in spec.confirmation_seeds
        for network in need.baselines
    ]
    lower = Counter((len(r.network.group), r.network.size, 1.0) for r in wanted if not free.state.is_free(r))
    upper = Counter(lower)
    if need.most_chosen:
        for shape, count in count_candidate_shapes(spec.candidates).items():
            upper[(*shape, 1.0)] += count * len(spec.confirmation_seeds)
    most = sum(lower.values()) + need.most_chosen * len(spec.confirmation_seeds)
    return Forecast(lower, upper, most)


def _fit_of(budget: TrainingBudget, lower: Amount, upper: Amount) -> Fit:
    """Tell whether an amount between two bounds fits into a training budget."""
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


def _wall(seconds: float | None, n_workers: int | None) -> float | None:
    """Divide seconds of training by the workers; None where either is not known."""
    return None if seconds is None or n_workers is None else seconds / n_workers
