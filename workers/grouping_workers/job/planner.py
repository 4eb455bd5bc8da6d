"""`Planner` of a job, built from what the database holds."""

from __future__ import annotations

from grouping.domain.jobs.job import Job
from grouping.search import Planner
from grouping.store import Store
from grouping.strategies import get_strategy
from grouping.trainers import terms_of_job, trainer_of


def planner_of(store: Store, job: Job, *, with_reuse: bool = True) -> Planner:
    """Build the planner of a prepared job from what the database holds now.

    Args:
        store: the database.
        job: the job.
        with_reuse: whether to look for outcomes in the other jobs that it names.
    """
    strategy = get_strategy(job.spec.strategy, job.spec.strategy_parameters)
    state = store.search_state(job.id, with_reuse=with_reuse)
    return Planner(terms_of_job(job.spec), state, strategy, trainer_of(job).trainings.prices)
