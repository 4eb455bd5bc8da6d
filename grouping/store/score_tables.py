"""Score tables in the store: lists, scores, affinities and networks; each call sees one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from grouping.domain.affinities.joint_matrices import joint_affinities
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.jobs.task_definitions import SizeVariant
from grouping.domain.scales import awaits_scale, scaled
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.trainings.trials import PLAIN, Purpose, TrialState
from grouping.store.codec import (
    joint_run_from_row,
    network_from_row,
    spec_from_json,
    stored_network_from_row,
    table_info_from_row,
    task_from_json,
)
from grouping.store.database import Database
from grouping.store.imports import find_table, imported_networks, imported_table
from grouping.store.latencies import LATENCY_COST, costs_of_sizes, latency_costs, tables_with_latencies
from grouping.store.paging import newest_first
from grouping.store.records import Page, StoredNetwork, TableInfo
from grouping.store.reported_costs import reported_costs, reported_names
from grouping.store.rows import JobRow, JointAffinityRow, NetworkRow, ScoreRow, ScoreTableRow, TrialRow

_FINAL = tuple(state for state in TrialState if state.is_final)


class ScoreTableMethods:
    """Methods of the store that read score tables."""

    _database: Database

    def get_table_info(self, table_id: str) -> TableInfo:
        """Return the description of a score table.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            table = find_table(session, table_id)
            job = session.scalars(select(JobRow).where(JobRow.score_table_id == table_id)).one_or_none()
            return table_info_from_row(table, job, _cost_names(session, [table_id])[table_id])

    def list_tables(
        self, *, limit: int = 50, after: str | None = None, imported_only: bool = False
    ) -> Page[TableInfo]:
        """List score tables, newest first; a page holds at most 200.

        Args:
            limit: the most tables of the page.
            after: the token of the page; None for the first.
            imported_only: leave out the tables of jobs.

        Raises:
            InvalidInputError: if `after` is not a token of this list.
        """
        with self._database.reading() as session:
            query = select(ScoreTableRow, JobRow).outerjoin(JobRow, JobRow.score_table_id == ScoreTableRow.id)
            if imported_only:
                query = query.where(JobRow.id.is_(None))
            rows, token = newest_first(session, query, ScoreTableRow, limit, after)
            names = _cost_names(session, [row.id for row, _ in rows])
            infos = (table_info_from_row(row, job, names[row.id]) for row, job in rows)
            return Page(tuple(infos), token)

    def score_table(
        self, table_id: str, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> ScoreTable:
        """Return the scores of one kind of trials; an imported table is returned as it was given.

        Networks with at least one such trial in a final state are in the table, in the order in which they
        were added. A network of which any such trial diverged or failed keeps its row without a cell: the
        mean of its succeeded trials would flatter it. Latencies are a cost if every network has one; so are
        costs that trainings reported, if every network with losses has one. Tasks that are scaled by their
        single-task loss have the number in the search's scores as their scale.

        Args:
            table_id: the table.
            purpose: what the scores are for; of those of tuned recipes only those of the job's own recipe.
            fidelity: share of the full number of epochs, exactly as planned.

        Raises:
            NotFoundError: if there is no such table.
        """
        read = self._read_table(table_id, purpose, fidelity, ScoreRow.validation_loss, ScoreRow.test_loss)
        is_of_search = (purpose, fidelity) == (Purpose.SEARCH, 1.0)
        needs_search = awaits_scale(read.tasks) and not is_of_search
        return scaled(read, self.score_table(table_id) if needs_search else None)

    def metric_table(
        self, table_id: str, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> ScoreTable:
        """Return the values of each task's metric in place of its losses; of some metrics higher is better.

        Its networks are those of `score_table`. Cells whose trials measured no metric are empty, such as all
        of an imported table.

        Args:
            table_id: the table.
            purpose: as in `score_table`.
            fidelity: as in `score_table`.

        Raises:
            NotFoundError: if there is no such table.
        """
        return self._read_table(table_id, purpose, fidelity, ScoreRow.validation_metric, ScoreRow.test_metric)

    def _read_table(
        self,
        table_id: str,
        purpose: Purpose,
        fidelity: float,
        validation: InstrumentedAttribute[Any],
        test: InstrumentedAttribute[Any],
    ) -> ScoreTable:
        """Read numbers of one kind of trials as a table."""
        with self._database.reading() as session:
            table = find_table(session, table_id)
            tasks = tuple(task_from_json(task) for task in table.tasks)
            is_of_losses = validation is ScoreRow.validation_loss
            if table.imported is not None and is_of_losses and (purpose, fidelity) == (Purpose.SEARCH, 1.0):
                return imported_table(table, tasks, imported_networks(session, table_id))
            chosen = _trials_of_kind(table_id, purpose, fidelity)
            ended = session.execute(
                select(TrialRow.network_id, TrialRow.state)
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(chosen, TrialRow.state.in_(_FINAL))
                .distinct()
            )
            is_lost: dict[str, bool] = {}
            for network_id, state in ended:
                is_lost[network_id] = is_lost.get(network_id, False) or TrialState(state).is_lost
            rows = {row.id: row for row in network_rows(session, table_id) if row.id in is_lost}
            networks = {network_id: network_from_row(row) for network_id, row in rows.items()}
            cells = session.execute(
                select(
                    TrialRow.network_id,
                    TrialRow.seed,
                    ScoreRow.task,
                    validation,
                    test,
                )
                .join(ScoreRow, ScoreRow.trial_id == TrialRow.id)
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(chosen, validation.is_not(None))
            )
            scores = [
                Score(networks[network_id], task, seed, on_validation, on_test)
                for network_id, seed, task, on_validation, on_test in cells
                if not is_lost[network_id]
            ]
            sizes = _sizes_of(session, table_id)
            listed = list(rows.values())
            reported = reported_costs(listed, [row.id for row in listed if not is_lost[row.id]])
        costs = costs_of_sizes(sizes, list(networks.values())) | reported | latency_costs(listed)
        return ScoreTable.from_scores(tasks, networks.values(), scores, other_costs=costs)

    def affinities(
        self, table_id: str, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> Mapping[str, AffinityMatrix]:
        """Return affinities measured by joint runs, averaged over their networks and seeds, by method.

        Empty where no trial of that kind measured any, such as for an imported table.

        Args:
            table_id: the table.
            purpose: search or confirmation.
            fidelity: share of the full number of epochs, exactly as planned.

        Raises:
            NotFoundError: if there is no such table.
        """
        with self._database.reading() as session:
            return read_affinities(session, find_table(session, table_id), purpose, fidelity)

    def networks(self, table_id: str) -> tuple[StoredNetwork, ...]:
        """Return all measured candidates of a table, in the order in which they were added.

        Raises:
            NotFoundError: if there is no such table.
        """
        with self._database.reading() as session:
            find_table(session, table_id)
            return tuple(stored_network_from_row(row) for row in network_rows(session, table_id))


def _sizes_of(session: Session, table_id: str) -> tuple[SizeVariant, ...]:
    """Return the sizes that the job of a table names; none for an imported table."""
    spec = session.scalars(select(JobRow.spec).where(JobRow.score_table_id == table_id)).one_or_none()
    return () if spec is None else spec_from_json(spec).sizes


def _cost_names(session: Session, table_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the further costs of jobs' tables, by table; empty for imported ones."""
    measured, reported = tables_with_latencies(session, table_ids), reported_names(session, table_ids)
    latency = {table_id: (LATENCY_COST,) if table_id in measured else () for table_id in table_ids}
    return {
        table_id: tuple(dict.fromkeys((*reported.get(table_id, ()), *latency[table_id])))
        for table_id in table_ids
    }


def read_affinities(
    session: Session, table: ScoreTableRow, purpose: Purpose, fidelity: float
) -> Mapping[str, AffinityMatrix]:
    """Return affinities of trials of one purpose and fidelity, averaged over joint runs, by method."""
    found = session.execute(
        select(JointAffinityRow, NetworkRow, TrialRow.seed)
        .join(TrialRow, TrialRow.id == JointAffinityRow.trial_id)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(_trials_of_kind(table.id, purpose, fidelity))
        .order_by(TrialRow.position)
    )
    runs = [joint_run_from_row(row, network, seed) for row, network, seed in found]
    return joint_affinities(tuple(task["name"] for task in table.tasks), runs)


def _trials_of_kind(table_id: str, purpose: Purpose, fidelity: float) -> ColumnElement[bool]:
    """Return the condition for trials of a table, purpose and fidelity; the query joins networks, trials."""
    return and_(
        NetworkRow.score_table_id == table_id,
        TrialRow.purpose == purpose,
        TrialRow.fidelity == fidelity,
        TrialRow.recipe == PLAIN.recipe,
        TrialRow.members == PLAIN.members,
    )


def network_rows(session: Session, table_id: str) -> Sequence[NetworkRow]:
    """Return the networks of a score table, in the order in which they were added."""
    query = select(NetworkRow).where(NetworkRow.score_table_id == table_id).order_by(NetworkRow.position)
    return session.scalars(query).all()
