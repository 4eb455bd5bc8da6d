"""Train the networks of a recommended grouping once more, as the search did, and keep their weights.

A training is deterministic, so the same network with the same seed on the same data scores what it scored in
the job. That is checked, to the last bit, and what differs is told. See decision 22.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grouping.artefacts.finishing import FinishWanted, check_seeds
from grouping.artefacts.kept import FinishedGrouping, KeptNetwork, KeptNetworks, LearnedRows
from grouping.domain.groupings import Grouping
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.networks import NetworkKey
from grouping.domain.trainings.trials import (
    PLAIN,
    Purpose,
    TaskScore,
    Trial,
    TrialOutcome,
    TrialRequest,
    TrialState,
)
from grouping.domain.verdicts.verdict import Verdict
from grouping.errors import InvalidInputError, StateConflictError, TrainingError
from grouping.store import Store
from grouping.trainers import LocalPool, Trainer, trainer_of
from grouping.use_cases.artefacts import artefacts_of
from grouping.use_cases.computing import InThisProcess
from grouping.use_cases.table_queries import TableQueries

MOST_ARTEFACTS = 5
"""Artefacts of each network that are named where another trainer has kept them."""
SOLVE_TIME_S = 60.0
OnTrained = Callable[[int, int], None]
"""Told how many trainings of how many are done."""
Scored = Mapping[tuple[NetworkKey, int], tuple[TaskScore, ...]]
"""Scores of a job on fresh seeds, by network and seed."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """What a job recommends for one inference budget.

    Attributes:
        job: the job.
        budget_snt: the budget.
        grouping: the grouping.
        verdict: what fresh seeds say of it; None if nothing was confirmed.
    """

    job: Job
    budget_snt: float
    grouping: Grouping
    verdict: Verdict | None

    @property
    def verdict_sentence(self) -> str:
        """The verdict in words; empty if nothing was confirmed."""
        return "" if self.verdict is None else self.verdict.sentence()


def recommended(
    store: Store, job_id: str, budget_snt: float | None = None, queries: TableQueries | None = None
) -> Recommended:
    """Return what a job recommends for an inference budget.

    Args:
        store: the database.
        job_id: the job, which has ended.
        budget_snt: any budget; may be left out where the job has one only.
        queries: queries of its score table; solved in this process unless given.

    Raises:
        NotFoundError: if there is no such job.
        StateConflictError: if it is still going on.
        InvalidInputError: if no budget is named where there are several, or no grouping exists within it.
    """
    job = store.get_job(job_id)
    if not job.state.is_final:
        raise StateConflictError(
            f"The job is {job.state}, and what it recommends may change: wait for its end."
        )
    budgets = job.spec.budgets_snt
    if budget_snt is None and len(budgets) != 1:
        listed = ", ".join(f"{budget:g}" for budget in budgets)
        raise InvalidInputError(f"Name a budget: the job recommends for {listed}.")
    budget = budgets[0] if budget_snt is None else budget_snt
    queries = queries or TableQueries(store, InThisProcess(SOLVE_TIME_S))
    info = queries.info(job.score_table_id)
    solution = queries.solution(info, budget)
    return Recommended(job, budget, solution.require_grouping(), queries.verdict(job, info, solution))


def kept_or_trained(
    store: Store,
    found: Recommended,
    kept: KeptNetworks,
    wanted: FinishWanted,
    *,
    on_trained: OnTrained = lambda done, total: None,
) -> tuple[FinishedGrouping, bool]:
    """Return the networks of a grouping, trained in this process unless they are kept with as many seeds.

    Args:
        store, found, kept, on_trained: as `finish` takes them.
        wanted: what is asked for; its budget is that of `found`.

    Returns:
        The networks, and whether they were trained here.

    Raises:
        GroupingError: as `finish`.
    """
    known = None if wanted.is_again else kept.find(found.job.id, found.grouping, wanted.rows)
    usual, asked = found.job.spec.n_confirmation_seeds, wanted.n_seeds
    if known is not None and (len(known.seeds) == asked or (asked is None and len(known.seeds) >= usual)):
        return known, False
    rows, n_seeds = wanted.rows, wanted.n_seeds
    return finish(store, found, kept, rows=rows, n_seeds=n_seeds, on_trained=on_trained), True


def finish(
    store: Store,
    found: Recommended,
    kept: KeptNetworks,
    *,
    rows: LearnedRows = LearnedRows.TRAIN,
    n_seeds: int | None = None,
    on_trained: OnTrained = lambda done, total: None,
) -> FinishedGrouping:
    """Train the networks of a grouping in this process, and keep their weights.

    Args:
        store: the database, with the scores to compare with.
        found: what is recommended.
        kept: where to keep the weights.
        rows: rows to learn from.
        n_seeds: seeds of each network, those of the confirmation first; as many as that has unless given.
        on_trained: told after every stack of networks.

    Raises:
        InvalidInputError: if the job is not one of the built-in trainer, if its data are other ones now, or
            if its recipe cannot do without validation rows.
        TrainingError: if a training fails, or all of a network diverge.
        BundleError: if the weights cannot be written.
    """
    job = found.job
    _check_trainer(store, found)
    count = (job.spec.n_confirmation_seeds or 1) if n_seeds is None else n_seeds
    check_seeds(count)
    trainer, pool = trainer_of(job), LocalPool()
    prepared = trainer.prepare(pool)
    if prepared.fingerprint != job.data_digest:
        raise InvalidInputError(
            f"The data of {job.spec.problem!r} are not those that the job was trained on: their digests are "
            f"{prepared.fingerprint[:12]} and {str(job.data_digest)[:12]}. Run the search again."
        )
    worker: Any = pool.worker(trainer.setup())
    _check_rows(rows, worker.needs_validation())
    known = _scored(store, job) if rows is LearnedRows.TRAIN else {}
    networks, weights = [], []
    for one, content in _trained(
        found.grouping, job.spec.fresh_seeds(count), trainer, worker, rows, on_trained
    ):
        networks.append(_compared(one, known))
        weights.append(content)
    finished = FinishedGrouping(
        job.id,
        found.budget_snt,
        rows,
        found.grouping.tasks,
        found.grouping.serving,
        tuple(networks),
        prepared.fingerprint,
        dict(worker.environment()),
    )
    kept.add(finished, weights)
    return finished


def _check_trainer(store: Store, found: Recommended) -> None:
    job, tasks = found.job, found.grouping.tasks
    if job.spec.trainer == DEFAULT_TRAINER:
        return
    told = [
        f"{one.network.name(tasks)} in {', '.join(str(t.artefact) for t in one.trials[:MOST_ARTEFACTS])}"
        for one in artefacts_of(store, job, found.grouping)
        if one.trials
    ]
    export = f"grouping export {job.id} --budget {found.budget_snt:.12g} --out FOLDER copies them. "
    where = f" {export}It keeps what it trained itself: {'; '.join(told)}." if told else ""
    raise InvalidInputError(
        f"The networks of this job are trained by {job.spec.trainer!r}, and only those of the built-in "
        f"trainer can be trained again and kept.{where}"
    )


def _check_rows(rows: LearnedRows, needs: str) -> None:
    if rows is LearnedRows.TRAIN_AND_VALIDATION and needs:
        raise InvalidInputError(
            f"The recipe of the job needs validation rows of its own, for its {needs}: train on the rows of "
            "the search (--on train)."
        )


def _trained(
    grouping: Grouping,
    seeds: Sequence[int],
    trainer: Trainer,
    worker: Any,
    rows: LearnedRows,
    on_trained: OnTrained,
) -> list[tuple[KeptNetwork, bytes]]:
    """Train every network with every seed, cut into stacks as the trainer cuts those of a job.

    Trainings that diverged are left out.
    """
    requests = [
        TrialRequest(network, seed, purpose=Purpose.CONFIRMATION)
        for network in grouping.networks
        for seed in seeds
    ]
    planned = [Trial.planned(number, request) for number, request in enumerate(requests)]
    done: dict[int, Any] = {}
    for stack in trainer.stacks(planned, 1):
        numbers = [trial.position for trial in stack.trials]
        wanted = [requests[number] for number in numbers]
        trained = worker.train_to_keep(wanted, on_validation=rows is LearnedRows.TRAIN_AND_VALIDATION)
        done |= zip(numbers, trained, strict=True)
        on_trained(len(done), len(requests))
    _check_outcomes(requests, [done[number].outcome for number in range(len(requests))])
    return [
        _kept(request, done[number])
        for number, request in enumerate(requests)
        if done[number].outcome.state is TrialState.SUCCEEDED
    ]


def _check_outcomes(requests: Sequence[TrialRequest], outcomes: Sequence[TrialOutcome]) -> None:
    """Check that nothing failed, and that some training of each network did not diverge."""
    kept = {r.network for r, o in zip(requests, outcomes, strict=True) if o.state is TrialState.SUCCEEDED}
    for request, outcome in zip(requests, outcomes, strict=True):
        if outcome.state is TrialState.FAILED or request.network not in kept:
            name = request.network.name(sorted(request.network.group))
            raise TrainingError(f"{name} with seed {request.seed} {outcome.state}: {outcome.error}")


def _kept(request: TrialRequest, training: Any) -> tuple[KeptNetwork, bytes]:
    outcome, network = training.outcome, request.network
    one = KeptNetwork(
        tuple(score.task for score in outcome.scores),
        network.size,
        network.cost_snt,
        request.seed,
        hashlib.sha256(training.weights).hexdigest(),
        len(training.weights),
        training.widths,
        outcome.scores,
    )
    return one, training.weights


def _scored(store: Store, job: Job) -> Scored:
    return {(trial.network.key, trial.seed): trial.scores for trial in _confirming(store, job)}


def _confirming(store: Store, job: Job) -> list[Trial]:
    """Return the trainings on fresh seeds that succeeded."""
    return [
        trial
        for trial in store.trials(job.id, states={TrialState.SUCCEEDED})
        if trial.purpose is Purpose.CONFIRMATION and trial.fidelity == 1 and trial.variant == PLAIN
    ]


def _compared(one: KeptNetwork, known: Scored) -> KeptNetwork:
    """Return the network with what differs from its training in the job."""
    wanted = known.get((one.network.key, one.seed))
    if wanted is None:
        return one
    by_task = {score.task: score for score in wanted}
    differs = [
        f"{score.task}: validation loss {score.validation_loss!r} here, "
        f"{by_task[score.task].validation_loss!r} in the job"
        for score in one.scores
        if by_task.get(score.task) != score and score.task in by_task
    ]
    return replace(one, is_compared=True, differs=tuple(differs))
