"""What is read of a job and of a score table; each call sees one consistent snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from grouping.domain.affinity import AffinityMatrix
from grouping.domain.jobs import Event, Ledger
from grouping.domain.joint_affinity import joint_affinities
from grouping.domain.scores import Score, ScoreTable
from grouping.domain.search_state import SearchState
from grouping.domain.trials import Purpose, TaskScore, Trial, TrialOrigin, TrialState
from grouping.store.codec import (
    event_from_row,
    joint_run_from_row,
    network_from_row,
    score_from_row,
    stored_network_from_row,
    table_info_from_row,
    task_from_json,
)
from grouping.store.database import Database
from grouping.store.history import find_job
from grouping.store.imports import find_table, imported_table
from grouping.store.latencies import latency_costs, tables_with_latencies
from grouping.store.paging import newest_first
from grouping.store.records import Page, ProgressRow, StoredNetwork, TableInfo
from grouping.store.reuse_sources import Wanted, find_reusable
from grouping.store.rows import (
    EventRow,
    JobRow,
    JointAffinityRow,
    NetworkRow,
    ScoreRow,
    ScoreTableRow,
    TrialRow,
)

MAX_EVENTS = 5_000
_LOST = (TrialState.DIVERGED, TrialState.FAILED)
_FINAL = tuple(state for state in TrialState if state.is_final)


class ReadMethods:
    """The part of the store that only reads."""

    _database: Database

    def ledger(self, job_id: str) -> Ledger:
        """What the job has been charged so far, attempts that were lost included.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            job = find_job(session, job_id)
            return Ledger(job.charged_trainings, job.charged_epochs, job.charged_seconds)

    def progress(self, job_id: str) -> tuple[ProgressRow, ...]:
        """Trials by purpose, fidelity, group size and size, search first, and how many are in which state.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            kind = (TrialRow.purpose, TrialRow.fidelity, NetworkRow.group_size, NetworkRow.size)
            found = session.execute(
                select(*kind, TrialRow.state, func.count())
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(TrialRow.job_id == job_id)
                .group_by(*kind, TrialRow.state)
            )
            counts: dict[tuple[str, float, int, float], dict[str, int]] = {}
            for purpose, fidelity, group_size, size, state, count in found:
                counts.setdefault((purpose, fidelity, group_size, size), {})[state] = count
        order = list(Purpose)
        rows = [
            ProgressRow(Purpose(purpose), group_size, size, fidelity, **states)
            for (purpose, fidelity, group_size, size), states in counts.items()
        ]
        rows.sort(key=lambda row: (order.index(row.purpose), row.fidelity, row.group_size, row.size))
        return tuple(rows)

    def trials(
        self, job_id: str, *, states: Collection[TrialState] | None = None, limit: int | None = None
    ) -> tuple[Trial, ...]:
        """Trials of the job with their scores, in the order of the plan.

        Args:
            job_id: the job.
            states: only trials in one of these; all when None.
            limit: only the first so many of them.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            chosen = TrialRow.job_id == job_id
            if states is not None:
                chosen &= TrialRow.state.in_([str(state) for state in states])
            if limit is not None:
                first = select(TrialRow.id).where(chosen).order_by(TrialRow.position).limit(limit)
                chosen = TrialRow.id.in_(session.scalars(first).all())
            return _read_trials(session, chosen)

    def search_state(self, job_id: str, *, with_reuse: bool = True) -> SearchState:
        """Everything that the search of a job knows, read in one transaction.

        Args:
            job_id: the job.
            with_reuse: whether to look for outcomes of the other jobs that it names.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            job = find_job(session, job_id)
            table = find_table(session, job.score_table_id)
            known = with_reuse and job.spec.get("reuse_jobs")
            return SearchState(
                tasks=tuple(task_from_json(task) for task in table.tasks),
                trials=_read_trials(session, TrialRow.job_id == job_id),
                networks=tuple(network_from_row(row) for row in _network_rows(session, table.id)),
                affinities=_read_affinities(session, table, Purpose.SEARCH, 1.0),
                known_elsewhere=find_reusable(session, Wanted.of_row(session, job)) if known else {},
                spent=Ledger(job.charged_trainings, job.charged_epochs, job.charged_seconds),
            )

    def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> tuple[Event, ...]:
        """Events of the job with numbers above `after`, in order, at most 5,000 at once.

        Raises:
            NotFoundError: if there is no such job.
        """
        with self._database.reading() as session:
            find_job(session, job_id)
            rows = session.scalars(
                select(EventRow)
                .where(EventRow.job_id == job_id, EventRow.number > after)
                .order_by(EventRow.number)
                .limit(max(1, min(limit, MAX_EVENTS)))
            )
            return tuple(event_from_row(row) for row in rows)

    def get_table_info(self, table_id: str) -> TableInfo:
        """What the score table is.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.reading() as session:
            table = find_table(session, table_id)
            job_id = session.scalars(select(JobRow.id).where(JobRow.score_table_id == table_id)).one_or_none()
            measured = tables_with_latencies(session, [table_id])
            return table_info_from_row(table, job_id, has_latencies=table_id in measured)

    def list_tables(
        self, *, limit: int = 50, after: str | None = None, imported_only: bool = False
    ) -> Page[TableInfo]:
        """Score tables, newest first; a page holds at most 200.

        Args:
            limit: the most tables of the page.
            after: the token of the page; None for the first.
            imported_only: leave out the tables of jobs.

        Raises:
            InvalidInputError: if `after` is not a token of this list.
        """
        with self._database.reading() as session:
            query = select(ScoreTableRow, JobRow.id).outerjoin(
                JobRow, JobRow.score_table_id == ScoreTableRow.id
            )
            if imported_only:
                query = query.where(JobRow.id.is_(None))
            rows, token = newest_first(session, query, ScoreTableRow, limit, after)
            measured = tables_with_latencies(session, [row.id for row, _ in rows])
            infos = (table_info_from_row(row, job, has_latencies=row.id in measured) for row, job in rows)
            return Page(tuple(infos), token)

    def score_table(
        self, table_id: str, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> ScoreTable:
        """The scores of one kind of trials, from one snapshot. An imported table comes back as it was given.

        Networks stand in the order they were added, those only that have at least one such trial that
        will not change any more. A network of which any such trial diverged or failed keeps its row without a
        cell: the mean of those that went well would flatter it. Latencies are a cost where all have one.

        Args:
            table_id: the table.
            purpose: search or confirmation.
            fidelity: share of the full number of epochs, exactly as planned.

        Raises:
            NotFoundError: if there is no such table.
        """
        with self._database.reading() as session:
            table = find_table(session, table_id)
            tasks = tuple(task_from_json(task) for task in table.tasks)
            if table.imported is not None and (purpose, fidelity) == (Purpose.SEARCH, 1.0):
                return imported_table(table, tasks, _network_rows(session, table_id))
            chosen = _trials_of_kind(table_id, purpose, fidelity)
            ended = session.execute(
                select(TrialRow.network_id, TrialRow.state)
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(chosen, TrialRow.state.in_(_FINAL))
                .distinct()
            )
            is_lost: dict[str, bool] = {}
            for network_id, state in ended:
                is_lost[network_id] = is_lost.get(network_id, False) or state in _LOST
            rows = {row.id: row for row in _network_rows(session, table_id) if row.id in is_lost}
            networks = {network_id: network_from_row(row) for network_id, row in rows.items()}
            cells = session.execute(
                select(
                    TrialRow.network_id,
                    TrialRow.seed,
                    ScoreRow.task,
                    ScoreRow.validation_loss,
                    ScoreRow.test_loss,
                )
                .join(ScoreRow, ScoreRow.trial_id == TrialRow.id)
                .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
                .where(chosen)
            )
            scores = [
                Score(networks[network_id], task, seed, validation_loss, test_loss)
                for network_id, seed, task, validation_loss, test_loss in cells
                if not is_lost[network_id]
            ]
        return ScoreTable.from_scores(
            tasks, networks.values(), scores, other_costs=latency_costs(list(rows.values()))
        )

    def affinities(
        self, table_id: str, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0
    ) -> Mapping[str, AffinityMatrix]:
        """Affinities that joint runs measured, averaged over their networks and seeds, by method.

        Empty where no trial of that kind measured any, such as for an imported table.

        Args:
            table_id: the table.
            purpose: search or confirmation.
            fidelity: share of the full number of epochs, exactly as planned.

        Raises:
            NotFoundError: if there is no such table.
        """
        with self._database.reading() as session:
            return _read_affinities(session, find_table(session, table_id), purpose, fidelity)

    def networks(self, table_id: str) -> tuple[StoredNetwork, ...]:
        """All measured candidates of the table, in the order they were added.

        Raises:
            NotFoundError: if there is no such table.
        """
        with self._database.reading() as session:
            find_table(session, table_id)
            return tuple(stored_network_from_row(row) for row in _network_rows(session, table_id))


def _read_trials(session: Session, chosen: ColumnElement[bool]) -> tuple[Trial, ...]:
    """Trials with their scores, in the order of the plan."""
    scores: dict[str, list[TaskScore]] = {}
    for score in session.scalars(
        select(ScoreRow).join(TrialRow, TrialRow.id == ScoreRow.trial_id).where(chosen)
    ):
        scores.setdefault(score.trial_id, []).append(score_from_row(score))
    found = session.execute(
        select(TrialRow, NetworkRow)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(chosen)
        .order_by(TrialRow.position)
    )
    return tuple(_trial(row, network, scores.get(row.id, [])) for row, network in found)


def _read_affinities(
    session: Session, table: ScoreTableRow, purpose: Purpose, fidelity: float
) -> Mapping[str, AffinityMatrix]:
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
    """Trials of a table, of one purpose and length; the query joins networks and trials."""
    return and_(
        NetworkRow.score_table_id == table_id, TrialRow.purpose == purpose, TrialRow.fidelity == fidelity
    )


def _network_rows(session: Session, table_id: str) -> Sequence[NetworkRow]:
    query = select(NetworkRow).where(NetworkRow.score_table_id == table_id).order_by(NetworkRow.position)
    return session.scalars(query).all()


def _trial(row: TrialRow, network: NetworkRow, scores: list[TaskScore]) -> Trial:
    order = {task: t for t, task in enumerate(network.tasks)}
    return Trial(
        id=row.id,
        position=row.position,
        network=network_from_row(network),
        purpose=Purpose(row.purpose),
        seed=row.seed,
        fidelity=row.fidelity,
        state=TrialState(row.state),
        attempts=row.attempts,
        planned_epochs=row.planned_epochs,
        epochs=row.epochs,
        seconds=row.seconds,
        error=row.error,
        started_s=row.started_s,
        finished_s=row.finished_s,
        scores=tuple(sorted(scores, key=lambda score: order[score.task])),
        measures_affinity=row.measures_affinity,
        reused_from=_origin(row),
    )


def _origin(row: TrialRow) -> TrialOrigin | None:
    if row.reused_from_job is None or row.reused_from_trial is None:
        return None
    return TrialOrigin(row.reused_from_job, row.reused_from_trial)
