"""Imported score tables, each written and read as a whole.

The losses of a network stand as JSON on its row, ``[task of the group][seed]`` with null where there is no
cell: they never change, are only read together, and have neither a training nor a metric (decision 6).
JSON writes the shortest digits that give the same number again, so they come back to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import IdempotencyConflictError, NotFoundError, StateConflictError
from grouping.store.codec import (
    as_storable_json,
    check_idempotency_key,
    group_key,
    is_id,
    network_from_row,
    new_id,
    storable,
    table_info_from_row,
    task_to_json,
)
from grouping.store.database import Database
from grouping.store.records import TableInfo
from grouping.store.rows import JobRow, NetworkRow, ScoreTableRow


class ImportMethods:
    """Methods of the store for score tables without a job."""

    _database: Database

    def import_table(
        self,
        table: ScoreTable,
        name: str,
        *,
        report: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        request_digest: str = "",
    ) -> tuple[TableInfo, bool]:
        """Store a score table that no job of this service trained, in one transaction.

        Args:
            table: the table; `score_table` returns it equal to the last digit.
            name: label for people; may be empty.
            report: report on how the file was understood, as JSON.
            idempotency_key: the same key with the same digest gives the same table, however often it comes.
            request_digest: digest of the request.

        Returns:
            Description of the stored table, and whether this call stored it.

        Raises:
            IdempotencyConflictError: if the key came before with another digest.
            InvalidInputError: if the report has no JSON form, or the key cannot be stored.
        """
        check_idempotency_key(idempotency_key)
        imported = {
            "seeds": [int(seed) for seed in table.seeds],
            "costs": list(table.other_costs),
            "report": None if report is None else as_storable_json(report),
        }
        values = {
            "name": storable(name),
            "tasks": [task_to_json(task) for task in table.tasks],
            "revision": 1,
            "imported": imported,
            "idempotency_key": idempotency_key,
            "request_digest": storable(request_digest),
        }
        values["id"] = table_id = new_id()
        networks = _network_values(table_id, table)  # before the lock is taken: it may take seconds
        try:
            return self._import_table(values, networks)
        except IntegrityError:
            if idempotency_key is None:
                raise
            # Another transaction won the race for the key; its table is there now.
            return self._import_table(values, networks)

    def _import_table(
        self, values: Mapping[str, Any], networks: Sequence[Mapping[str, Any]]
    ) -> tuple[TableInfo, bool]:
        with self._database.writing() as session:
            if values["idempotency_key"] is not None:
                same_key = ScoreTableRow.idempotency_key == values["idempotency_key"]
                first = session.scalars(select(ScoreTableRow).where(same_key)).one_or_none()
                if first is not None:
                    if first.request_digest != values["request_digest"]:
                        raise IdempotencyConflictError(
                            "This idempotency key was used before with another request; use a new key."
                        )
                    return table_info_from_row(first, None), False
            row = ScoreTableRow(created_s=self._database.now_s(session), **values)
            session.add(row)
            session.flush()
            if networks:
                session.execute(insert(NetworkRow), networks)
            return table_info_from_row(row, None), True

    def delete_table(self, table_id: str) -> None:
        """Remove an imported score table with its networks and groupings.

        Raises:
            NotFoundError: if there is none.
            StateConflictError: if a job fills it; it goes with its job.
        """
        with self._database.writing() as session:
            find_table(session, table_id, lock=True)
            if session.scalars(select(JobRow.id).where(JobRow.score_table_id == table_id)).one_or_none():
                raise StateConflictError("The score table belongs to a job; it is deleted with its job.")
            # Networks and groupings go with their table: ON DELETE CASCADE.
            session.execute(delete(ScoreTableRow).where(ScoreTableRow.id == table_id))


def find_table(session: Session, table_id: str, *, lock: bool = False) -> ScoreTableRow:
    """Return the row of a score table, locked against other writers if `lock`.

    Raises:
        NotFoundError: if there is none.
    """
    query = select(ScoreTableRow).where(ScoreTableRow.id == table_id)
    row = None
    if is_id(table_id):
        row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("score table", table_id)
    return row


def imported_networks(session: Session, table_id: str) -> Sequence[Any]:
    """Return what `imported_table` reads of the networks of a table, in their order.

    They are no objects of the session: of a million cells these would take longer than the losses.
    """
    columns = NetworkRow.tasks, NetworkRow.size, NetworkRow.cost_snt, NetworkRow.imported
    query = select(*columns).where(NetworkRow.score_table_id == table_id).order_by(NetworkRow.position)
    return session.execute(query).all()


def imported_table(row: ScoreTableRow, tasks: tuple[Task, ...], networks: Sequence[Any]) -> ScoreTable:
    """Return the table as it was given to `ImportMethods.import_table`.

    Args:
        row: the row of the imported table.
        tasks: tasks of the table.
        networks: its networks, see `imported_networks`.
    """
    imported = row.imported or {}
    n_seeds = len(imported["seeds"])
    stored = [network.imported or {} for network in networks]
    nothing = [None] * n_seeds
    losses = {
        # The tasks of a row stand in the order of the table, as its cells do.
        split: np.array(
            [
                by_seed
                for network, kept in zip(networks, stored, strict=True)
                for by_seed in (kept[split] or [nothing] * len(network.tasks))
            ],
            dtype=np.float64,
        ).reshape(sum(len(network.tasks) for network in networks), n_seeds)
        for split in ("validation", "test")
    }
    costs = {
        name: np.array([cells["costs"][k] for cells in stored], dtype=np.float64)
        for k, name in enumerate(imported["costs"])
    }
    return ScoreTable(
        tasks,
        tuple(network_from_row(network) for network in networks),
        tuple(imported["seeds"]),
        losses["validation"],
        losses["test"],
        other_costs=costs,
    )


def _network_values(table_id: str, table: ScoreTable) -> list[dict[str, Any]]:
    order = table.task_names
    values = []
    for n, network in enumerate(table.networks):
        own = table.cells.of_row(n)
        members = table.cells.columns[own].tolist()
        values.append(
            {
                "id": new_id(),
                "score_table_id": table_id,
                "position": n,
                "tasks": [order[t] for t in members],
                "group_key": group_key(network.group),
                "group_size": len(members),
                "size": network.size,
                "cost_snt": network.cost_snt,
                "multiply_adds": 0,
                "widths": [],
                "imported": {
                    "validation": _cells(table.validation_scores[own]),
                    "test": _cells(table.test_scores[own]),
                    "costs": [float(costs[n]) for costs in table.other_costs.values()],
                },
            }
        )
    return values


def _cells(losses: FloatArray) -> list[list[float | None]] | None:
    """Convert losses to lists by task and seed, None where absent; None in all if every loss is."""
    if np.isnan(losses).all():
        return None
    return [[None if value != value else value for value in row] for row in losses.tolist()]
