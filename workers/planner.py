"""What a job trains next: the strategy's wishes, then the confirmation, within the training budget.

A pure function of what the database holds, asked whenever everything planned so far is finished. A
dispatcher that takes over a job after a crash therefore goes on exactly where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.jobs import Job, JobState
from grouping.domain.networks import Network, list_candidates
from grouping.domain.recipes import EARLY_FIDELITY
from grouping.domain.trials import Purpose, TrialRequest, TrialState
from grouping.domain.verdicts import equal_cost_baselines
from grouping.solver import networks_to_confirm, solve
from grouping.store import Store, Trial
from grouping.strategies import Evidence, get_strategy


@dataclass(frozen=True, slots=True)
class Plan:
    """The next trials of a job.

    Attributes:
        state: the state of the job while they are trained.
        requests: the trials; empty when the job is complete.
        is_cut: whether the training budget left some out.
    """

    state: JobState
    requests: tuple[TrialRequest, ...]
    is_cut: bool = False


def candidate_networks(job: Job) -> tuple[Network, ...]:
    """Networks that may be chosen, at nominal cost."""
    spec = job.spec
    return list_candidates(spec.tasks, max_group_size=spec.max_group_size, single_sizes=spec.single_sizes)


def networks_to_measure(job: Job) -> tuple[Network, ...]:
    """Every network the job may train: candidates, and the baselines of each budget."""
    wanted = {(network.group, network.size): network for network in candidate_networks(job)}
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
    search = _search_requests(store, job, trials, measured)
    if search:
        fitting = within_budget(job, trials, search)
        if fitting:
            return Plan(JobState.RUNNING, fitting, is_cut=len(fitting) < len(search))
    confirmation = _confirmation_requests(store, job, trials, measured)
    fitting = within_budget(job, trials, confirmation)
    is_cut = bool(search) or len(fitting) < len(confirmation)
    return Plan(JobState.CONFIRMING, fitting, is_cut=is_cut)


def _search_requests(
    store: Store, job: Job, trials: Sequence[Trial], measured: dict[tuple[frozenset[str], float], Network]
) -> tuple[TrialRequest, ...]:
    candidates = [measured.get((c.group, c.size)) for c in candidate_networks(job)]
    finished = [t for t in trials if t.purpose is Purpose.SEARCH and t.state.is_final]
    evidence = Evidence(
        candidates=tuple(network for network in candidates if network is not None),
        full=store.score_table(job.score_table_id),
        early=store.score_table(job.score_table_id, fidelity=EARLY_FIDELITY),
        budgets_snt=job.spec.budgets_snt,
        seeds=job.spec.search_seeds,
        attempted=frozenset((t.network.group, t.network.size, t.fidelity, t.seed) for t in finished),
    )
    return get_strategy(job.spec.strategy).ask(evidence, solve)


def _confirmation_requests(
    store: Store, job: Job, trials: Sequence[Trial], measured: dict[tuple[frozenset[str], float], Network]
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
