"""Bundles of recommended networks, as `grouping finish` keeps them: found and sent, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grouping.artefacts.address import Address
from grouping.artefacts.kept import KeptNetworks, LearnedRows
from grouping.artefacts.zipped import zipped
from grouping.domain.groupings import Grouping
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.errors import StateConflictError


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """A bundle that is kept.

    Attributes:
        address: path or URL of its folder.
        files: names of its files.
        rows: rows that its networks were trained on.
    """

    address: str
    files: tuple[str, ...]
    rows: LearnedRows

    def zipped(self) -> Iterator[bytes]:
        """Yield it as a ZIP archive with one folder, ``bundle``; see `grouping.artefacts.zipped.zipped`."""
        return zipped(Address(self.address), self.files, "bundle")


def find_bundle(
    kept: str | None, job: Job, grouping: Grouping, rows: LearnedRows | None = None
) -> KeptBundle | None:
    """Return the newest kept bundle of a grouping that a job recommends; None if there is none.

    Args:
        kept: address of what is kept; None where nothing is.
        job: the job.
        grouping: what it recommends.
        rows: rows that it has to be trained on; any unless given.

    Raises:
        BundleError: if what is kept is damaged, or cannot be read.
    """
    if kept is None:
        return None
    shelf = KeptNetworks(kept)
    for finished in shelf.list(job.id):
        if finished.grouping == grouping and rows in (None, finished.rows):
            files = shelf.bundle_files(finished)
            if files:
                return KeptBundle(shelf.bundle_address(finished), files, finished.rows)
    return None


def require_bundle(
    kept: str | None, job: Job, budget_snt: float, grouping: Grouping, rows: LearnedRows | None = None
) -> KeptBundle:
    """Return what `find_bundle` finds.

    Raises:
        StateConflictError: if there is no bundle yet; says how to make it.
        BundleError: as `find_bundle`.
    """
    found = find_bundle(kept, job, grouping, rows)
    if found is None:
        command = finish_command(job, budget_snt) + ("" if rows is None else f" --on {rows}")
        reason = why_none(kept, job) or f"There is no bundle for {budget_snt:g} SNT yet. Make it: {command}"
        raise StateConflictError(reason)
    return found


def why_none(kept: str | None, job: Job) -> str:
    """Return why a job can have no bundle here; empty where `grouping finish` makes one."""
    if job.spec.trainer != DEFAULT_TRAINER:
        return (
            f"A bundle holds networks of the built-in trainer. Those of this job are kept by their trainer, "
            f"{job.spec.trainer}; each training tells where."
        )
    if kept is None:
        return "This service knows no place where networks are kept: start it with --kept, or GROUPING_KEPT."
    return ""


def finish_command(job: Job, budget_snt: float) -> str:
    """Return the command that trains what is recommended within a budget, and keeps it as a bundle."""
    return f"grouping finish {job.id} --budget {budget_snt:.12g}"
