"""Bundles on the page of a job: those that are kept, and how to make the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.jobs.job import Job
from grouping.errors import BundleError
from grouping.solver import Recommendation
from grouping.use_cases.bundles import find_bundle, finish_command, why_none


@dataclass(frozen=True, slots=True)
class BundleRow:
    """Bundle of the networks that are recommended within a budget.

    Attributes:
        budget_snt: the budget.
        is_kept: whether it can be downloaded.
        command: what makes it.
    """

    budget_snt: float
    is_kept: bool
    command: str


@dataclass(frozen=True, slots=True)
class Bundles:
    """Bundles of a job.

    Attributes:
        rows: one for each budget with a recommendation.
        reason: why there is none; empty where there is, or can be.
    """

    rows: tuple[BundleRow, ...] = ()
    reason: str = ""


def view_bundles(kept: str | None, job: Job, recommended: Sequence[Recommendation]) -> Bundles | None:
    """Return the bundles of a job that has ended with a recommendation; None for others."""
    found = [(one.budget_snt, one.solution.grouping) for one in recommended if one.solution.grouping]
    if not job.state.is_final or not found:
        return None
    reason = why_none(kept, job)
    if reason:
        return Bundles(reason=reason)
    try:
        return Bundles(
            tuple(
                BundleRow(budget, find_bundle(kept, job, grouping) is not None, finish_command(job, budget))
                for budget, grouping in found
            )
        )
    except BundleError as error:
        return Bundles(reason=str(error))
