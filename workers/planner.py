"""What a job trains next: the strategy's wishes, then the confirmation, within the training budget.

A pure function of what the database holds, asked whenever everything planned so far is finished. A
dispatcher that takes over a job after a crash therefore goes on exactly where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.jobs import Job, JobState, StopReason
from grouping.domain.networks import Candidates, Network
from grouping.domain.recipes import EARLY_FIDELITY
from grouping.domain.trials import Purpose, TrialRequest, TrialState
from grouping.domain.verdicts import equal_cost_baselines
from grouping.solver import networks_to_confirm, solve_budgets
from grouping.store import Store, Trial
from grouping.strategies import Evidence, Proposal, get_strategy

Measured = dict[tuple[frozenset[str], float], Network]
"""Networks with their measured inference costs, by group and size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next trials of a job.

    Attributes:
        state: the state of the job while they are trained.
        requests: the trials; empty when the job is complete.
        reason: why the search ends, once it does.
        note: what the strategy says about this step; may be empty.
    """

    state: JobState
    requests: tuple[TrialRequest, ...]
    reason: StopReason | None = None
    note: str = ""


def candidates_of(job: Job) -> Candidates:
    """Networks that may be chosen, at nominal cost."""
    spec = job.spec
    return Candidates.of(spec.tasks, max_group_size=spec.max_group_size, single_sizes=spec.single_sizes)


def networks_to_measure(job: Job) -> tuple[Network, ...]:
    """Networks whose inference cost is measured before the search: candidates, and the baselines.

    Candidates that are not listed are measured when they are first wanted; of them only the single tasks.
    """
    candidates = candidates_of(job)
    first = candidates.singles if candidates.networks is None else candidates.networks
    wanted = {(network.group, network.size): network for network in first}
    if job.spec.n_confirmation_seeds:
        for budget in job.spec.budgets_snt:
            for baseline in equal_cost_baselines(job.spec.tasks, budget):
                for network in baseline.networks:
                    wanted.setdefault((network.group, network.size), network)
    return tuple(wanted.values())


def next_plan(store: Store, job: Job) -> Plan:
    """Trials to add to the job, given that all planned ones are finished."""
    trials = store.trials(job.id)
    measured = {(s.network.group, s.network.size): s.network for s in store.networks(job.score_table_id)}
    proposal = _proposal(store, job, trials, measured)
    fitting = within_budget(job, trials, proposal.requests)
    if fitting:
        return Plan(JobState.RUNNING, fitting, note=proposal.note)
    confirmation = _confirmation_requests(store, job, trials, measured)
    fitting = within_budget(job, trials, confirmation)
    is_cut = bool(proposal.requests) or len(fitting) < len(confirmation)
    reason = StopReason.TRAINING_BUDGET_SPENT if is_cut else proposal.reason
    return Plan(JobState.CONFIRMING, fitting, reason or StopReason.SEARCH_COMPLETE, proposal.note)


def _proposal(store: Store, job: Job, trials: Sequence[Trial], measured: Measured) -> Proposal:
    finished = [t for t in trials if t.purpose is Purpose.SEARCH and t.state.is_final]
    evidence = Evidence(
        candidates=_priced(candidates_of(job), measured),
        full=store.score_table(job.score_table_id),
        early=store.score_table(job.score_table_id, fidelity=EARLY_FIDELITY),
        budgets_snt=job.spec.budgets_snt,
        seeds=job.spec.search_seeds,
        attempted=frozenset((t.network.group, t.network.size, t.fidelity, t.seed) for t in finished),
        remaining=_remaining_trainings(job, trials),
        seed=job.spec.seed,
    )
    strategy = get_strategy(job.spec.strategy, job.spec.strategy_parameters)
    return strategy.ask(evidence, solve_budgets)


def _priced(candidates: Candidates, measured: Measured) -> Candidates:
    """The candidates at their measured costs, without those that cannot be built."""
    if candidates.networks is not None:
        found = (measured.get((c.group, c.size)) for c in candidates.networks)
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
    known = {(t.network.group, t.network.size, t.seed) for t in trials if t.purpose is Purpose.CONFIRMATION}
    networks = [
        measured[key]
        for network in networks_to_confirm(store.score_table(job.score_table_id), job.spec.budgets_snt)
        if (key := (network.group, network.size)) in measured
    ]
    return tuple(
        TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
        for seed in job.spec.confirmation_seeds
        for network in networks
        if (network.group, network.size, seed) not in known
    )


def _remaining_trainings(job: Job, trials: Sequence[Trial]) -> int | None:
    limit = job.spec.training_budget.trainings
    if limit is None:
        return None
    return max(0, limit - sum(trial.state is not TrialState.SKIPPED for trial in trials))


def within_budget(
    job: Job, trials: Sequence[Trial], requests: Sequence[TrialRequest]
) -> tuple[TrialRequest, ...]:
    """The first of the requests, as many as the training budget still holds.

    Counts what is planned, so that the planned trainings and epochs never exceed the budget; attempts that
    a crash repeats come on top. Seconds are only known afterwards: they are checked before every start.
    """
    budget = job.spec.training_budget
    counted = [trial for trial in trials if trial.state is not TrialState.SKIPPED]
    n_trainings = len(counted)
    n_epochs = sum(trial.planned_epochs for trial in counted)
    fitting: list[TrialRequest] = []
    for request in requests:
        n_trainings += 1
        n_epochs += job.recipe.epochs_at(request.fidelity)
        if budget.trainings is not None and n_trainings > budget.trainings:
            break
        if budget.epochs is not None and n_epochs > budget.epochs:
            break
        fitting.append(request)
    return tuple(fitting)
