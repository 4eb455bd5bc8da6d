"""A training budget in seconds: known only afterwards, so it is checked before every start."""

from __future__ import annotations

from grouping.domain.allowance import SHARE_KEPT_BACK, Round, seconds_kept_back
from grouping.domain.jobs import Job
from grouping.domain.trials import Purpose, TrialState
from grouping.store import Store


def is_time_short(store: Store, job: Job) -> bool:
    """Whether so much of the seconds is spent that the search may have to end for the confirmation's sake."""
    budget = job.spec.training_budget.seconds
    return budget is not None and store.ledger(job.id).seconds >= budget * (1 - SHARE_KEPT_BACK)


def trials_over_time(store: Store, job: Job, one_round: Round) -> list[str]:
    """Planned trials that must not start any more.

    Args:
        store: the database.
        job: the job.
        one_round: what the confirmation trains with each fresh seed.
    """
    budget = job.spec.training_budget.seconds
    if budget is None:
        return []
    spent = store.ledger(job.id)
    epoch_s = spent.seconds / spent.epochs if spent.epochs else 0.0
    kept = seconds_kept_back(budget, job.spec, one_round, epoch_s)
    limits = {Purpose.SEARCH: budget - kept, Purpose.CONFIRMATION: budget}
    planned = store.trials(job.id, states={TrialState.PLANNED})
    return [trial.id for trial in planned if spent.seconds >= limits[trial.purpose]]
