"""Jobs found again: queries of them, their labels, and names that tell them apart.

What is searched of a job is kept beside it without case, so that both databases find the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import Double, Text

from grouping.domain.jobs.job import Job
from grouping.domain.jobs.labels import LabelChanges, base_name, numbered
from grouping.domain.jobs.query import JobOrder, JobQuery
from grouping.domain.jobs.specification import JobSpec
from grouping.store.codec import job_from_row, spec_from_json, storable
from grouping.store.database import Database
from grouping.store.locked_jobs import lock_job
from grouping.store.paging import Order, read_page
from grouping.store.records import Page
from grouping.store.rows import JobRow, ScoreTableRow

_TAG_END = "\x1f"
"""Stands around each tag in what is searched, and nowhere else."""
_NEVER_S = 1e300
"""Time of the end of a job that has not ended, as far as the order of lists goes."""


class JobSearchMethods:
    """Methods of the store by which jobs are found and labelled."""

    _database: Database

    def list_jobs(
        self, query: JobQuery | None = None, *, limit: int = 50, after: str | None = None
    ) -> Page[Job]:
        """List jobs; a page holds at most 100.

        Args:
            query: which jobs, and their order; all of them, newest first, unless given.
            limit: size of the page.
            after: token of the page; None for the first.

        Raises:
            InvalidInputError: if `after` is not a token of a list in this order.
        """
        asked = query or JobQuery()
        with self._database.reading() as session:
            rows, token = read_page(session, _found_by(asked), _order(asked.sort), limit, after)
            return Page(tuple(job_from_row(row) for (row,) in rows), token)

    def change_labels(self, job_id: str, changes: LabelChanges) -> Job:
        """Change name, note or tags of a job, in any state; the same changes again change nothing.

        Raises:
            NotFoundError: if there is none.
            InvalidInputError: if it would have too many tags.
        """
        with self._database.writing() as session:
            locked = lock_job(self._database, session, job_id)
            job = locked.job
            before = _labels(job)
            spec = spec_from_json(job.spec)
            name = job.name if changes.name is None else storable(changes.name)
            name = name or new_name(session, spec.default_name, without=job.id)
            note = job.note if changes.note is None else changes.note
            set_labels(job, spec, name=name, note=note, tags=changes.tags(job.tags))
            changed = {label: value for label, value in _labels(job).items() if value != before[label]}
            if changed:
                session.get_one(ScoreTableRow, job.score_table_id).name = job.name
                locked.add_event("job_labelled", changed)
            session.flush()
            return job_from_row(job)


def _labels(row: JobRow) -> dict[str, Any]:
    return {"name": row.name, "note": row.note, "tags": list(row.tags)}


def set_labels(row: JobRow, spec: JobSpec, *, name: str, note: str, tags: Sequence[str]) -> None:
    """Set the labels of a job, and what is searched of it."""
    row.name, row.note, row.tags = storable(name), storable(note), [storable(tag) for tag in tags]
    row.name_key = row.name.casefold()
    words = (row.name, row.note, spec.problem, spec.trainer, *spec.tasks)
    said = "\n".join(words).replace(_TAG_END, " ") + "".join(f"{_TAG_END}{tag}" for tag in row.tags)
    row.search_text = storable(f"{said}{_TAG_END}".casefold())


_NAMES = 0x6D746C67
"""Space of the locks on names of jobs; any number that other users of the PostgreSQL server do not take."""


def new_name(session: Session, name: str, *, without: str = "") -> str:
    """Return a name that no job has: the one given, or with the next number.

    On PostgreSQL, whoever asks for a number of the same name waits until this transaction ends.
    """
    base = base_name(storable(name))
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_NAMES, func.hashtext(base))))
    is_like = or_(JobRow.name == base, JobRow.name.startswith(f"{base} (", autoescape=True))
    return numbered(base, session.scalars(select(JobRow.name).where(is_like, JobRow.id != without)))


def _found_by(query: JobQuery) -> Select[JobRow]:
    found: list[ColumnElement[bool]] = []
    if query.state:
        found.append(JobRow.state.in_(query.state))
    if query.problem:
        found.append(JobRow.spec["problem"].as_string() == storable(query.problem))
    if name := _folded(query.name):
        found.append(JobRow.name_key.contains(name, autoescape=True))
    searched = [*_folded(query.text).split(), *(f"{_TAG_END}{_folded(tag)}{_TAG_END}" for tag in query.tag)]
    found += [JobRow.search_text.contains(text, autoescape=True) for text in searched]
    return select(JobRow).where(*found)


def _folded(text: str) -> str:
    return storable(text.strip()).casefold()


def _order(order: JobOrder) -> Order[JobRow]:
    created: ColumnElement[Any] = type_coerce(JobRow.created_s, Double)
    match order:
        case JobOrder.NEWEST:
            return Order(order, JobRow, created, lambda row: row.created_s, is_descending=True)
        case JobOrder.OLDEST:
            return Order(order, JobRow, created, lambda row: row.created_s)
        case JobOrder.NAME:
            return Order(order, JobRow, type_coerce(JobRow.name_key, Text), lambda row: row.name_key)
        case JobOrder.ENDED:
            ended = func.coalesce(JobRow.finished_s, _NEVER_S)
            return Order(order, JobRow, ended, _ended_s, is_descending=True)


def _ended_s(row: JobRow) -> float:
    return _NEVER_S if row.finished_s is None else row.finished_s
