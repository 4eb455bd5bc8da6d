"""Finished results that are told to a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from grouping.domain.finished_results import FinishedResults, fit_results
from grouping.domain.jobs import JobSpec
from grouping.domain.search_state import SearchTerms
from grouping.domain.tasks import Task
from grouping.domain.trials import Trial, TrialKey, TrialState
from grouping.errors import pointing_below
from grouping.search import groups_not_told
from grouping.strategies import get_strategy

if TYPE_CHECKING:  # a job may be priced without a database
    from collections.abc import Sequence

    from grouping.store import AddedResults, Store


def add_results(store: Store, job_id: str, results: FinishedResults) -> AddedResults:
    """Add finished trainings to the search of a job; see `Store.add_results`.

    Raises:
        NotFoundError: if there is no such job.
        StateConflictError: if it has succeeded, or is being cancelled.
        ResultsRefusedError: if one does not fit; says which, and why. Nothing is stored then.
    """
    job = store.get_job(job_id)
    return store.add_results(job_id, results, refused=refused_groups(job.spec))


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
