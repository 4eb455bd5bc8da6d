"""What a job trains next: the strategy's wishes, then the confirmation, within the training budget.

A pure function of what the database holds, asked whenever everything planned so far is finished. A
dispatcher that takes over a job after a crash therefore goes on exactly where the last one stopped. How much
of the budget the search may use is decided in `grouping.domain.allowance`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grouping.domain.allowance import Allowance, ConfirmationNeed, Round, rounds_kept_back
from grouping.domain.jobs import Job, JobState, StopReason, TrainingBudget
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.recipes import EARLY_FIDELITY
from grouping.domain.trials import Purpose, TrialRequest, TrialState
from grouping.domain.verdicts import equal_cost_baselines
from grouping.recipes import epochs_of
from grouping.solver import networks_to_confirm, solve_budgets
from grouping.store import Store, Trial
from grouping.strategies import Evidence, Proposal, get_strategy

Measured = dict[NetworkKey, Network]
"""Networks with their measured inference costs, by group and size."""
IsFree = Callable[[TrialRequest], bool]
"""Whether another job knows the outcome of a request, so that it is copied and not trained."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next trials of a job.

    Attributes:
        state: the state of the job while they are trained.
        requests: trials to train; with none, and none reused, the job is complete.
        reason: why the search ends, once it does.
        note: what the strategy says about this step; may be empty.
        reused: trials whose outcomes are copied from other jobs.
    """

    state: JobState
    requests: tuple[TrialRequest, ...]
    reason: StopReason | None = None
    note: str = ""
    reused: tuple[TrialRequest, ...] = ()


def networks_to_measure(job: Job) -> tuple[Network, ...]:
    """Networks whose inference cost is measured before the search: candidates, and the baselines.

    Candidates that are not listed are measured when they are first wanted; of them only the single tasks.
    """
    candidates = job.spec.candidates
    first = candidates.singles if candidates.networks is None else candidates.networks
    wanted = {network.key: network for network in first}
    if job.spec.n_confirmation_seeds:
        for budget in job.spec.budgets_snt:
            for baseline in equal_cost_baselines(job.spec.tasks, budget):
                for network in baseline.networks:
                    wanted.setdefault(network.key, network)
    return tuple(wanted.values())


def next_plan(store: Store, job: Job, *, may_reuse: bool = True) -> Plan:
    """Trials to add to the job, given that all planned ones are finished.

    Args:
        store: the database.
        job: the job, prepared.
        may_reuse: whether outcomes of other jobs are looked for.
    """
    trials = store.trials(job.id)
    measured = {s.network.key: s.network for s in store.networks(job.score_table_id)}
    is_free = _free(store, job) if may_reuse and job.spec.reuse_jobs else _nothing_is_free
    left = allowance_left(job, trials)
    proposal, fitting = _search_step(store, job, trials, measured, left, is_free)
    if fitting:
        return _split(JobState.RUNNING, fitting, is_free, proposal, None)
    confirmation = _confirmation_requests(store, job, trials, measured)
    fitting = left.first_fitting(confirmation, epochs_of(job.recipe), is_free=is_free)
    is_cut = bool(proposal.requests) or len(fitting) < len(confirmation)
    reason = StopReason.TRAINING_BUDGET_SPENT if is_cut else proposal.reason
    return _split(JobState.CONFIRMING, fitting, is_free, proposal, reason or StopReason.SEARCH_COMPLETE)


def allowance_left(job: Job, trials: Sequence[Trial]) -> Allowance:
    """What may still be planned. Trials count once planned; copied and skipped ones never do.

    A trial that went on from a shorter one carries out fewer epochs than planned. They are given back when it
    has succeeded and not before: had its checkpoint been gone, it would have needed them all.
    """
    counted = [t for t in trials if t.state is not TrialState.SKIPPED and t.reused_from is None]
    epochs = sum(t.epochs if t.state is TrialState.SUCCEEDED else t.planned_epochs for t in counted)
    return Allowance.left(job.spec.training_budget, len(counted), epochs)


def one_round(store: Store, job: Job) -> Round:
    """What the confirmation trains with each fresh seed, as far as it is still to be trained.

    The networks of the present recommendations and their baselines; the most that it can come to, until
    there is a recommendation for every inference budget.
    """
    trials = store.trials(job.id)
    measured = {s.network.key: s.network for s in store.networks(job.score_table_id)}
    is_free = _free(store, job) if job.spec.reuse_jobs else _nothing_is_free
    return _one_round(store, job, trials, measured, is_free, _is_covered(store, job))


def _search_step(
    store: Store,
    job: Job,
    trials: Sequence[Trial],
    measured: Measured,
    left: Allowance,
    is_free: IsFree,
) -> tuple[Proposal, tuple[TrialRequest, ...]]:
    """What the strategy wants, and the part of it that the budget holds beside the confirmation."""
    is_limited = job.spec.training_budget != TrainingBudget()
    if not is_limited or _has_search_ended(trials):
        proposal = _proposal(store, job, trials, measured, left.trainings)
        return proposal, () if is_limited else proposal.requests
    is_covered = _is_covered(store, job)
    need = _one_round(store, job, trials, measured, is_free, is_covered)
    kept = rounds_kept_back(job.spec.training_budget, job.spec, need)
    beside = left.less(kept * need.networks, kept * need.epochs)
    counting = epochs_of(job.recipe)
    remaining = beside.trainings or (beside.trainings if is_covered else left.trainings)
    proposal = _proposal(store, job, trials, measured, remaining)
    fitting = beside.first_fitting(proposal.requests, counting, is_free=is_free)
    if not fitting and not is_covered:
        # With nothing to confirm, nothing is worth being kept back: but only as much as it takes.
        fitting = left.first_fitting(proposal.requests[:1], counting, is_free=is_free)
    return proposal, fitting


def _has_search_ended(trials: Sequence[Trial]) -> bool:
    """Under a budget the search ends for good: a later choice could no longer be confirmed."""
    return any(trial.purpose is Purpose.CONFIRMATION or trial.state is TrialState.SKIPPED for trial in trials)


def _split(
    state: JobState,
    fitting: Sequence[TrialRequest],
    is_free: IsFree,
    proposal: Proposal,
    reason: StopReason | None,
) -> Plan:
    reused = tuple(request for request in fitting if is_free(request))
    requests = tuple(request for request in fitting if not is_free(request))
    return Plan(state, requests, reason, proposal.note, reused)


def _free(store: Store, job: Job) -> IsFree:
    known = {trial.key: trial for trial in store.reusable_trials(job.id)}

    def is_free(request: TrialRequest) -> bool:
        trial = known.get(request.key)
        return trial is not None and trial.answers(request)

    return is_free


def _nothing_is_free(_request: TrialRequest) -> bool:
    return False


def _proposal(
    store: Store, job: Job, trials: Sequence[Trial], measured: Measured, remaining: int | None
) -> Proposal:
    finished = [t for t in trials if t.purpose is Purpose.SEARCH and t.state.is_final]
    evidence = Evidence(
        candidates=_priced(job.spec.candidates, measured),
        full=store.score_table(job.score_table_id),
        early=store.score_table(job.score_table_id, fidelity=EARLY_FIDELITY),
        budgets_snt=job.spec.budgets_snt,
        seeds=job.spec.search_seeds,
        attempted=frozenset(t.key for t in finished),
        affinities=store.affinities(job.score_table_id),
        remaining=remaining,
        seed=job.spec.seed,
    )
    strategy = get_strategy(job.spec.strategy, job.spec.strategy_parameters)
    return strategy.ask(evidence, solve_budgets)


def _one_round(
    store: Store,
    job: Job,
    trials: Sequence[Trial],
    measured: Measured,
    is_free: IsFree,
    is_covered: bool,
) -> Round:
    n_seeds = job.spec.n_confirmation_seeds
    if not n_seeds:
        return Round(0, 0)
    counting = epochs_of(job.recipe)
    if not is_covered:
        return ConfirmationNeed.of(job.spec).most_in_a_round(job.spec, counting)
    requests = _confirmation_requests(store, job, trials, measured)
    trained = [request for request in requests if not is_free(request)]
    epochs = sum(counting(len(request.network.group), request.fidelity) for request in trained)
    return Round(math.ceil(len(trained) / n_seeds), math.ceil(epochs / n_seeds))


def _is_covered(store: Store, job: Job) -> bool:
    """Whether a grouping is known for every inference budget."""
    table = store.score_table(job.score_table_id)
    return all(s.grouping is not None for s in solve_budgets(table, job.spec.budgets_snt))


def _priced(candidates: Candidates, measured: Measured) -> Candidates:
    """The candidates at their measured costs, without those that cannot be built."""
    if candidates.networks is not None:
        found = (measured.get(c.key) for c in candidates.networks)
        return Candidates(
            candidates.tasks,
            candidates.max_group_size,
            candidates.single_sizes,
            tuple(network for network in found if network is not None),
        )
    costs = {size: network.cost_snt for (group, size), network in measured.items() if len(group) == 1}
    sizes = tuple(size for size in candidates.single_sizes if size in costs)
    return Candidates(candidates.tasks, candidates.max_group_size, sizes, None, costs)


def _confirmation_requests(
    store: Store, job: Job, trials: Sequence[Trial], measured: Measured
) -> tuple[TrialRequest, ...]:
    if not job.spec.n_confirmation_seeds:
        return ()
    known = {trial.key for trial in trials}
    networks = [
        measured[network.key]
        for network in networks_to_confirm(store.score_table(job.score_table_id), job.spec.budgets_snt)
        if network.key in measured
    ]
    wanted = (
        TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
        for seed in job.spec.confirmation_seeds
        for network in networks
    )
    return tuple(request for request in wanted if request.key not in known)
