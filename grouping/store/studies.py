"""Studies in the store: written once, when they are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import defer

from grouping.errors import NotFoundError
from grouping.store.codec import as_storable_json, is_id, new_id, storable
from grouping.store.database import Database
from grouping.store.paging import newest_first
from grouping.store.records import Page, StoredStudy, StudyInfo
from grouping.store.rows import StudyRow


class StudyMethods:
    """Methods of the store for studies."""

    _database: Database

    def add_study(
        self, problem: str, tasks: Sequence[str], n_seeds: int, report: Mapping[str, Any], *, name: str = ""
    ) -> StudyInfo:
        """Store the report of a study.

        Args:
            problem: name of the problem.
            tasks: names of its tasks, in order.
            n_seeds: number of seeds with which every network was trained.
            report: the report as JSON; `get_study` returns it.
            name: a label for people; may be empty.

        Raises:
            InvalidInputError: if the report has no JSON form.
        """
        values = {
            "name": storable(name),
            "problem": storable(problem),
            "tasks": [storable(task) for task in tasks],
            "n_seeds": n_seeds,
            "report": as_storable_json(report),
        }
        with self._database.writing() as session:
            row = StudyRow(id=new_id(), created_s=self._database.now_s(session), **values)
            session.add(row)
            session.flush()
            return _info(row)

    def get_study(self, study_id: str) -> StoredStudy:
        """Return a study with its report.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            row = session.get(StudyRow, study_id) if is_id(study_id) else None
            if row is None:
                raise NotFoundError("study", study_id)
            return StoredStudy(_info(row), row.report)

    def list_studies(self, *, limit: int = 50, after: str | None = None) -> Page[StudyInfo]:
        """List studies without their reports, newest first; a page holds at most 200.

        Raises:
            InvalidInputError: if `after` is not a token of this list.
        """
        with self._database.reading() as session:
            query = select(StudyRow).options(defer(StudyRow.report))
            rows, token = newest_first(session, query, StudyRow, limit, after)
            return Page(tuple(_info(row) for (row,) in rows), token)

    def delete_study(self, study_id: str) -> None:
        """Delete a study.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.writing() as session:
            wanted = delete(StudyRow).where(StudyRow.id == study_id).returning(StudyRow.id)
            if not is_id(study_id) or session.scalars(wanted).one_or_none() is None:
                raise NotFoundError("study", study_id)


def _info(row: StudyRow) -> StudyInfo:
    return StudyInfo(row.id, row.name, row.problem, tuple(row.tasks), row.n_seeds, row.created_s)
