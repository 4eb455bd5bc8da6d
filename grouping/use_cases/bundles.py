"""Bundles of recommended networks, as `grouping finish` keeps them: found and sent, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grouping.artefacts.address import Address
from grouping.artefacts.finishing import Finish, FinishWanted
from grouping.artefacts.kept import KeptNetworks, LearnedRows
from grouping.artefacts.zipped import zipped
from grouping.domain.groupings import Grouping
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.errors import StateConflictError
from grouping.store import Store
from grouping.use_cases.finish import recommended
from grouping.use_cases.table_queries import TableQueries


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
        reason = why_none(kept, job) or (
            f"There is no bundle for {budget_snt:g} SNT yet. Have the service make it: "
            f"POST /v1/jobs/{job.id}/finishes. Or, where its database and data are: {command}"
        )
        raise StateConflictError(reason)
    return found


def ask_to_finish(
    store: Store,
    queries: TableQueries,
    kept: str | None,
    job_id: str,
    budget_snt: float | None = None,
    *,
    rows: LearnedRows = LearnedRows.TRAIN,
    n_seeds: int | None = None,
    is_again: bool = False,
    licence: str = "",
) -> tuple[Finish, bool]:
    """Have the service train what a job recommends, and keep it as a bundle; a dispatcher carries that out.

    Args:
        store: the database.
        queries: queries of its score table.
        kept: address of what is kept; None where nothing is.
        job_id: the job, which has ended.
        budget_snt: any budget; may be left out where the job has one only.
        rows, n_seeds, is_again, licence: see `FinishWanted`.

    Returns:
        What is to be done, and whether this call asked for it; the same may be under way already.

    Raises:
        NotFoundError, StateConflictError, InvalidInputError: as `recommended`; the second also where the job
            can have no bundle here, or something else is under way for that budget.
    """
    found = recommended(store, job_id, budget_snt, queries)
    if reason := why_none(kept, found.job):
        raise StateConflictError(reason)
    wanted = FinishWanted(found.budget_snt, rows, n_seeds, is_again, licence)
    return store.request_finish(job_id, wanted)


def why_none(kept: str | None, job: Job) -> str:
    """Return why a job can have no bundle here; empty where `grouping finish` makes one."""
    if job.spec.trainer != DEFAULT_TRAINER:
        return (
            f"A bundle holds networks of the built-in trainer. Those of this job are kept by their trainer, "
            f"{job.spec.trainer}, where each training tells; grouping export copies them from there."
        )
    if kept is None:
        return "This service knows no place where networks are kept: start it with --kept, or GROUPING_KEPT."
    return ""


def finish_command(job: Job, budget_snt: float) -> str:
    """Return the command that trains what is recommended within a budget, and keeps it as a bundle."""
    return f"grouping finish {job.id} --budget {budget_snt:.12g}"
