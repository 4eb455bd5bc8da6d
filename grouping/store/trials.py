"""Networks and planned trials of a job, written by the dispatcher that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grouping.domain.networks import MeasuredNetwork
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, StateConflictError
from grouping.store.codec import group_key, network_to_row, new_id
from grouping.store.database import CHUNK, Database
from grouping.store.locked_jobs import lock_claimed_job
from grouping.store.records import Claim
from grouping.store.rows import NetworkRow, ScoreTableRow, TrialRow

T = TypeVar("T")


class TrialMethods:
    """Methods of the store by which a dispatcher plans trials."""

    _database: Database

    def add_networks(self, claim: Claim, networks: Sequence[MeasuredNetwork]) -> None:
        """Add candidates to the job's score table, after the present ones.

        A network whose group and size are there already is left as it is, cost included; one of which
        results were told before gets its measured cost.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if a network has a task that is not in the table.
        """
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            table_id = locked.job.score_table_id
            order = _task_order(session, table_id)
            there = _network_ids(session, table_id)
            nominal = _nominal_rows(session, table_id)
            added: list[NetworkRow] = []
            for measured in networks:
                network = measured.network
                if unknown := network.group - set(order):
                    raise InvalidInputError(
                        f"Network {network} has tasks outside the job: {', '.join(sorted(unknown))}."
                    )
                key = (group_key(network.group), network.size)
                if key in nominal:
                    _measure(nominal[key], measured)
                if key in there:
                    continue
                row = network_to_row(table_id, len(there), order, measured)
                there[key] = row.id
                added.append(row)
            session.add_all(added)
            if added:
                locked.add_event("networks_added", {"added": len(added), "networks": len(there)})

    def plan_trials(
        self, claim: Claim, requests: Sequence[TrialRequest], *, planned_epochs: Sequence[int]
    ) -> int:
        """Add trials to the plan, in the order given; those that are planned already stay where they are.

        Args:
            claim: the claim of the caller.
            requests: trials to plan; the network is found by its group and size.
            planned_epochs: epochs of each request.

        Returns:
            Number of trials added.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if a network was not added before, or the two sequences differ in length.
        """
        wanted = with_epochs(requests, planned_epochs)
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            networks = _network_ids(session, locked.job.score_table_id)
            planned = session.execute(
                select(
                    TrialRow.network_id,
                    TrialRow.purpose,
                    TrialRow.seed,
                    TrialRow.fidelity,
                    TrialRow.recipe,
                    TrialRow.members,
                ).where(TrialRow.job_id == locked.job.id)
            )
            there = {tuple(row) for row in planned}
            first = len(there)
            for request, epochs in wanted:
                network_id = stored_network(request, networks)
                key = (network_id, str(request.purpose), request.seed, request.fidelity, *request.variant)
                if key not in there:
                    session.add(_trial_row(locked.job.id, network_id, len(there), request, epochs))
                    there.add(key)
            added = len(there) - first
            if added:
                locked.add_event("trials_planned", {"added": added, "trials": len(there)})
            return added

    def skip_trials(self, claim: Claim, trial_ids: Sequence[str]) -> None:
        """Skip planned trials because the training budget is spent; those skipped before stay so.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            StateConflictError: if one of them is neither planned nor skipped; then none is skipped.
        """
        ids = list(dict.fromkeys(trial_ids))
        with self._database.writing() as session:
            locked = lock_claimed_job(self._database, session, claim)
            skipped = 0
            for start in range(0, len(ids), CHUNK):
                chunk = ids[start : start + CHUNK]
                ours = (TrialRow.job_id == locked.job.id) & TrialRow.id.in_(chunk)
                states = session.scalars(select(TrialRow.state).where(ours)).all()
                if len(states) < len(chunk) or not set(states) <= {TrialState.PLANNED, TrialState.SKIPPED}:
                    raise StateConflictError("Only planned trials of the job can be skipped.")
                skipped += states.count(TrialState.PLANNED)
                session.execute(
                    update(TrialRow)
                    .where(ours, TrialRow.state == TrialState.PLANNED)
                    .values(state=TrialState.SKIPPED, finished_s=locked.now_s)
                )
            if skipped:
                locked.revise_table()
                locked.add_event("trials_skipped", {"skipped": skipped})


def with_epochs(
    requests: Sequence[TrialRequest], planned_epochs: Sequence[int]
) -> list[tuple[TrialRequest, int]]:
    """Pair each trial with its planned epochs.

    Raises:
        InvalidInputError: if the two differ in length.
    """
    if len(requests) != len(planned_epochs):
        raise InvalidInputError("Give the planned epochs of each trial.")
    return list(zip(requests, planned_epochs, strict=True))


def stored_network(request: TrialRequest, networks: Mapping[tuple[str, float], T]) -> T:
    """Find the stored network of a trial among those of the job, by group key and size.

    Raises:
        InvalidInputError: if it was not added.
    """
    found = networks.get((group_key(request.network.group), request.network.size))
    if found is None:
        raise InvalidInputError(f"Network {request.network} was not added to the job.")
    return found


def _task_order(session: Session, table_id: str) -> list[str]:
    tasks = session.scalars(select(ScoreTableRow.tasks).where(ScoreTableRow.id == table_id)).one()
    return [task["name"] for task in tasks]


def _network_ids(session: Session, table_id: str) -> dict[tuple[str, float], str]:
    found = session.execute(
        select(NetworkRow.group_key, NetworkRow.size, NetworkRow.id).where(
            NetworkRow.score_table_id == table_id
        )
    )
    return {(row[0], row[1]): row[2] for row in found}


def _nominal_rows(session: Session, table_id: str) -> dict[tuple[str, float], NetworkRow]:
    """Select the networks whose cost is not measured yet."""
    rows = session.scalars(
        select(NetworkRow).where(NetworkRow.score_table_id == table_id, NetworkRow.is_measured.is_(False))
    )
    return {(row.group_key, row.size): row for row in rows}


def _measure(row: NetworkRow, measured: MeasuredNetwork) -> None:
    row.cost_snt = measured.network.cost_snt
    row.multiply_adds = measured.multiply_adds
    row.widths = list(measured.widths)
    row.latency_ms = measured.latency_ms
    row.is_measured = True


def _trial_row(job_id: str, network_id: str, position: int, request: TrialRequest, epochs: int) -> TrialRow:
    return TrialRow(
        id=new_id(),
        job_id=job_id,
        network_id=network_id,
        position=position,
        purpose=request.purpose,
        seed=request.seed,
        fidelity=request.fidelity,
        measures_affinity=request.measures_affinity,
        state=TrialState.PLANNED,
        attempts=0,
        planned_epochs=epochs,
        epochs=0,
        seconds=0.0,
        recipe=request.variant.recipe,
        members=request.variant.members,
    )
