"""Plan of a job that measures the pairwise effects which a score table lacks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.labels import MAX_JOB_NAME
from grouping.domain.jobs.reuse import count_reusable
from grouping.domain.tables.pair_gaps import NAMED, PairGaps, list_some
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import GroupingError
from grouping.store import Store
from grouping.trainers import parameters_in_use
from grouping.use_cases.asked_again import asked_like
from grouping.use_cases.submit import build_spec
from grouping.wire.requests import JobRequest

NAME_SUFFIX = ": all pairs"


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Plan to measure the missing single tasks and pairs.

    Attributes:
        gaps: the full-size networks that are not measured.
        n_trainings: number of trainings of the job, copied ones not counted; None without a job.
        request: the job that trains all single tasks and pairs and copies known ones; None if none can.
        advice: what to do, or why nothing can be done.
    """

    gaps: PairGaps
    n_trainings: int | None
    request: JobRequest | None
    advice: str

    def sentence(self, said: str = "") -> str:
        """Describe what is missing, unless `said` does so, and what to do, or why nothing can be done."""
        missing = self.gaps.sentence()
        return self.advice if missing in said else f"{missing} {self.advice}"


def plan_pairs(store: Store, table: ScoreTable, job: Job | None) -> PairPlan | None:
    """Plan how to measure the full-size single tasks and pairs that a table lacks; None if it lacks none."""
    gaps = PairGaps.of(table)
    if not gaps:
        return None
    if job is None:
        first = [network.name(table.task_names) for network in islice(gaps.networks(), NAMED)]
        named = list_some(first, len(gaps.singles) + len(gaps.pairs))
        return PairPlan(
            gaps,
            None,
            None,
            f"Import the table again with a row of size 1 for each of these networks: {named}.",
        )
    if gaps.pairs and job.spec.max_group_size < 2:
        return PairPlan(gaps, None, None, "The job allows no group of two tasks, so no pair can be trained.")
    if not job.state.is_final:
        return PairPlan(
            gaps, None, None, "A job that measures what is missing can start when this job is over."
        )
    if not any(job.spec.constraints.allows(network) for network in gaps.networks()):
        return PairPlan(gaps, None, None, "The constraints of the job rule them out.")
    try:
        request = _request(job)
        spec, tasks = build_spec(request)
        known, total = count_reusable(spec, store.reusable_for(spec, tasks)[1])
    except GroupingError as error:
        return PairPlan(gaps, None, None, f"No job can train them: {error}")
    if total == known:
        return PairPlan(gaps, None, None, "All of them were trained, and some diverged: they have no scores.")
    return PairPlan(
        gaps, total - known, request, f"Measuring what is missing takes {_counted(total - known)}."
    )


def _counted(n_trainings: int) -> str:
    return f"{n_trainings:,} training{'' if n_trainings == 1 else 's'}"


def _request(job: Job) -> JobRequest:
    """Build the request for all single tasks and pairs at full size, without confirmation.

    Of the constraints those stay that rule networks out; others are about what is recommended.
    """
    spec = job.spec
    asked = asked_like(spec)
    del asked["training_budget"], asked["budgets_snt"]
    full = {"1"}
    if spec.sizes:
        asked["sizes"] = asked["sizes"][:1]
        full.add(spec.sizes[0].name)
    else:
        asked["single_sizes"] = []
    asked["resources_of"] = {size: held for size, held in asked["resources_of"].items() if size in full}
    demanded = spec.constraints
    asked["constraints"] = {
        "apart": asked["constraints"]["apart"],
        "max_group_size": demanded.max_group_size,
        "forbidden": [n.name() for n in demanded.forbidden if n.size == 1 and len(n.group) <= 2],
    }
    return JobRequest.model_validate(
        asked
        | {
            "name": job.name[: MAX_JOB_NAME - len(NAME_SUFFIX)] + NAME_SUFFIX,
            "strategy": {"name": "exhaustive"},
            "max_group_size": 2,
            "n_confirmation_seeds": 0,
            "n_splits": 1,
            "trainer": {"name": spec.trainer, "parameters": parameters_in_use(job)},
            "reuse_jobs": [job.id],
            "tags": list(job.tags),
        }
    )
