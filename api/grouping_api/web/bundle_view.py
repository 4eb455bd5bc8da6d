"""Bundles on the page of a job: those that are kept, those being made, and how to make the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.artefacts.finishing import Finish
from grouping.domain.jobs.job import Job
from grouping.domain.trainings.trials import Trial
from grouping.errors import BundleError
from grouping.solver import Recommendation
from grouping.use_cases.artefacts import NetworkArtefacts, artefacts_among
from grouping.use_cases.bundles import find_bundle, finish_command, why_none


@dataclass(frozen=True, slots=True)
class BundleRow:
    """Bundle of the networks that are recommended within a budget.

    Attributes:
        budget_snt: the budget.
        is_kept: whether it can be downloaded.
        command: what makes it, where the service does not.
        finish: what was asked for last, and how far it is; None for nothing, or what was done.
    """

    budget_snt: float
    is_kept: bool
    command: str
    finish: Finish | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether the service is making it."""
        return self.finish is not None and not self.finish.state.is_final


@dataclass(frozen=True, slots=True)
class Bundles:
    """Bundles of a job.

    Attributes:
        rows: one for each budget with a recommendation.
        reason: why there is none; empty where there is, or can be.
        artefacts: what another trainer has kept of the recommended networks, by budget.
    """

    rows: tuple[BundleRow, ...] = ()
    reason: str = ""
    artefacts: tuple[tuple[float, tuple[NetworkArtefacts, ...]], ...] = ()

    @property
    def kept(self) -> tuple[BundleRow, ...]:
        """Those that can be downloaded."""
        return tuple(row for row in self.rows if row.is_kept)

    @property
    def missing(self) -> tuple[BundleRow, ...]:
        """Those that can not, and whose making is not under way."""
        return tuple(row for row in self.rows if not row.is_kept and not row.is_under_way)


def view_bundles(
    kept: str | None,
    job: Job,
    recommended: Sequence[Recommendation],
    finishes: Sequence[Finish],
    trials: Sequence[Trial],
) -> Bundles | None:
    """Return the bundles of a job that has ended with a recommendation; None for others.

    Args:
        kept: address of what is kept; None where nothing is.
        job: the job.
        recommended: what it recommends.
        finishes: what the service was asked to make of it, the newest first.
        trials: trainings that told of an artefact.
    """
    found = [(one.budget_snt, one.solution.grouping) for one in recommended if one.solution.grouping]
    if not job.state.is_final or not found:
        return None
    reason = why_none(kept, job)
    if reason:
        artefacts = ((budget, artefacts_among(trials, grouping)) for budget, grouping in found)
        return Bundles(
            reason=reason, artefacts=tuple(one for one in artefacts if any(kept.trials for kept in one[1]))
        )
    try:
        return Bundles(
            tuple(
                BundleRow(
                    budget,
                    find_bundle(kept, job, grouping) is not None,
                    finish_command(job, budget),
                    next((one for one in finishes if one.wanted.budget_snt == budget), None),
                )
                for budget, grouping in found
            )
        )
    except BundleError as error:
        return Bundles(reason=str(error))
