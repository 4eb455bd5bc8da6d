"""Finished results that are told to a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.dominance import dominance_sentence
from grouping.domain.tables.finished_results import FinishedResults, ResultValues, fit_results
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import Trial, TrialKey, TrialState
from grouping.errors import pointing_below
from grouping.formats.doubts import doubts
from grouping.search import groups_not_told
from grouping.strategies import get_strategy

if TYPE_CHECKING:  # a job may be priced without a database
    from grouping.store import AddedResults, Store


def add_results(
    store: Store, job_id: str, results: FinishedResults, *, dry_run: bool = False
) -> AddedResults:
    """Add finished trainings to the search of a job; see `Store.add_results`.

    Raises:
        NotFoundError: if there is no such job.
        StateConflictError: if it has succeeded, or is being cancelled.
        ResultsRefusedError: if one does not fit; says which, and why. Nothing is stored then.
    """
    job = store.get_job(job_id)
    return store.add_results(job_id, results, refused=refused_groups(job.spec), dry_run=dry_run)


def findings_of(store: Store, job_id: str, results: FinishedResults) -> tuple[str, ...]:
    """Return sentences about results that a job took: numbers that may not mean what was said of them.

    Raises:
        NotFoundError: if there is no such job.
    """
    job = store.get_job(job_id)
    info = store.get_table_info(job.score_table_id)
    told = _table_of(results, info.tasks, job.spec.size_numbers)
    said = doubts(told, "reported" if results.values is ResultValues.REPORTED else "losses")
    weighed = dominance_sentence(store.score_table(info.id))
    return (*said, *filter(None, [weighed]))


def _table_of(results: FinishedResults, tasks: Sequence[Task], sizes: Mapping[str, float]) -> ScoreTable:
    """Return the numbers of results as they were told; the same training told twice has two seeds."""
    trained: dict[NetworkKey, Network] = {}
    seeds: dict[NetworkKey, set[int]] = {}
    scores = []
    for training in results.trainings:
        size = sizes[training.size] if isinstance(training.size, str) else training.size
        network = Network(frozenset(training.tasks), size)
        trained[network.key] = network
        used = seeds.setdefault(network.key, set())
        seed = training.seed if training.seed is not None and training.seed not in used else len(used)
        while seed in used:
            seed += 1
        used.add(seed)
        scores += [Score(network, task, seed, value) for task, value in training.validation.items()]
    return ScoreTable.from_scores(tasks, trained.values(), scores)


def refused_groups(spec: JobSpec) -> Mapping[frozenset[str], str]:
    """Return groups that no result from outside can stand for in a job, and why."""
    return groups_not_told(get_strategy(spec.strategy, spec.strategy_parameters), spec.tasks)


def told_trials(
    spec: JobSpec, tasks: Sequence[Task], told: Sequence[FinishedResults]
) -> Mapping[TrialKey, bool]:
    """Return the trials that results stand for, each with whether it has affinities, before a job is stored.

    Raises:
        ResultsRefusedError: if one does not fit.
    """
    terms, refused = SearchTerms.of_job(spec), refused_groups(spec)
    known: list[Trial] = []
    for position, results in enumerate(told):
        with pointing_below(f"/results/{position}", always=True):
            fitting = fit_results(results, tasks, terms, known, size_names=spec.size_names, refused=refused)
        for result in fitting.new:
            planned = Trial.planned(len(known), result.request)
            known.append(replace(planned, state=TrialState.SUCCEEDED, scores=result.scores))
    return {trial.key: False for trial in known}
