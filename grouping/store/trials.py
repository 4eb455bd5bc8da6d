"""Networks and trials as a dispatcher writes them, all under its lease."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grouping.domain.trials import TaskScore, TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError
from grouping.store.codec import group_key, is_id, joint_affinities_to_row, new_id, storable
from grouping.store.database import Database
from grouping.store.history import Entry, describe_trial, enter_claimed
from grouping.store.records import Claim, MeasuredNetwork
from grouping.store.rows import NetworkRow, ScoreRow, ScoreTableRow, TrialRow

_CHUNK = 5_000  # bound parameters of one statement: SQLite takes 32,766


class TrialMethods:
    """The part of the store through which a dispatcher plans and records trials."""

    _database: Database

    def add_networks(self, claim: Claim, networks: Sequence[MeasuredNetwork]) -> None:
        """Add candidates to the job's score table, after those that are there.

        A network whose group and size are there already is left as it is, cost included.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if a network has a task that is not in the table.
        """
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            table_id = entry.job.score_table_id
            order = _task_order(session, table_id)
            there = _network_ids(session, table_id)
            added: list[NetworkRow] = []
            for measured in networks:
                network = measured.network
                if unknown := network.group - set(order):
                    raise InvalidInputError(
                        f"Network {network} has tasks outside the job: {', '.join(sorted(unknown))}."
                    )
                key = (group_key(network.group), network.size)
                if key in there:
                    continue
                row = _network_row(table_id, len(there), order, measured)
                there[key] = row.id
                added.append(row)
            session.add_all(added)
            if added:
                entry.add_event("networks_added", {"added": len(added), "networks": len(there)})

    def plan_trials(
        self, claim: Claim, requests: Sequence[TrialRequest], *, planned_epochs: Sequence[int]
    ) -> int:
        """Add trials to the plan, in the order given; those that are planned already stay where they are.

        Args:
            claim: the lease it is done under.
            requests: what to train; the network is found by its group and size.
            planned_epochs: epochs of each request.

        Returns:
            How many were added.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            InvalidInputError: if a network was not added before, or the two sequences differ in length.
        """
        if len(requests) != len(planned_epochs):
            raise InvalidInputError("Give the planned epochs of each trial.")
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            networks = _network_ids(session, entry.job.score_table_id)
            planned = session.execute(
                select(TrialRow.network_id, TrialRow.purpose, TrialRow.seed, TrialRow.fidelity).where(
                    TrialRow.job_id == entry.job.id
                )
            )
            there = {(row[0], row[1], row[2], row[3]) for row in planned}
            first = len(there)
            for request, epochs in zip(requests, planned_epochs, strict=True):
                network_id = networks.get((group_key(request.network.group), request.network.size))
                if network_id is None:
                    raise InvalidInputError(f"Network {request.network} was not added to the job.")
                key = (network_id, str(request.purpose), request.seed, request.fidelity)
                if key not in there:
                    session.add(_trial_row(entry.job.id, network_id, len(there), request, epochs))
                    there.add(key)
            added = len(there) - first
            if added:
                entry.add_event("trials_planned", {"added": added, "trials": len(there)})
            return added

    def skip_trials(self, claim: Claim, trial_ids: Sequence[str]) -> None:
        """Give planned trials up because the training budget is spent; those skipped before stay so.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            StateConflictError: if one of them is neither planned nor skipped; then none is skipped.
        """
        ids = list(dict.fromkeys(trial_ids))
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            skipped = 0
            for start in range(0, len(ids), _CHUNK):
                chunk = ids[start : start + _CHUNK]
                ours = (TrialRow.job_id == entry.job.id) & TrialRow.id.in_(chunk)
                states = session.scalars(select(TrialRow.state).where(ours)).all()
                if len(states) < len(chunk) or not set(states) <= {TrialState.PLANNED, TrialState.SKIPPED}:
                    raise StateConflictError("Only planned trials of the job can be skipped.")
                skipped += states.count(TrialState.PLANNED)
                session.execute(
                    update(TrialRow)
                    .where(ours, TrialRow.state == TrialState.PLANNED)
                    .values(state=TrialState.SKIPPED, finished_s=entry.now_s)
                )
            if skipped:
                entry.revise_table()
                entry.add_event("trials_skipped", {"skipped": skipped})

    def start_trial(self, claim: Claim, trial_id: str) -> None:
        """Count an attempt, charge for it, and mark the trial as running: before anything is started.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if it is not planned.
        """
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            trial, network = _find_trial(entry, trial_id, TrialState.PLANNED)
            trial.state = TrialState.RUNNING
            trial.attempts += 1
            trial.started_s = entry.now_s
            entry.job.charged_trainings += 1
            entry.add_event("trial_started", describe_trial(trial, network))

    def record_outcome(self, claim: Claim, trial_id: str, outcome: TrialOutcome) -> None:
        """Record what came out of a running trial: end, scores, affinities, what it cost, all or nothing.

        A caller that repeats this after `StoreUnavailableError` may find it recorded: `StateConflictError`.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if it is not running.
            InvalidInputError: if the scores are not those of the tasks of the network, one each.
        """
        if outcome.state is TrialState.SKIPPED:
            raise InvalidInputError("A trial that was started cannot be skipped.")
        if not (math.isfinite(outcome.seconds) and outcome.seconds >= 0 and outcome.epochs >= 0):
            raise InvalidInputError("Seconds and epochs of a trial must be finite and not negative.")
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            trial, network = _find_trial(entry, trial_id, TrialState.RUNNING)
            if outcome.scores and sorted(score.task for score in outcome.scores) != sorted(network.tasks):
                raise InvalidInputError(
                    "A succeeded trial has one score for each task of its network: "
                    f"{', '.join(network.tasks)}."
                )
            trial.state = outcome.state
            trial.epochs = outcome.epochs
            trial.seconds = outcome.seconds
            trial.error = None if outcome.error is None else storable(outcome.error)
            trial.finished_s = entry.now_s
            session.add_all(_score_row(trial.id, score) for score in outcome.scores)
            if outcome.affinities is not None:
                session.add(joint_affinities_to_row(trial.id, network.tasks, outcome.affinities))
            entry.job.charged_epochs += outcome.epochs
            entry.job.charged_seconds += outcome.seconds
            entry.revise_table()
            losses = {score.task: score.validation_loss for score in outcome.scores}
            data = describe_trial(trial, network) | {
                "epochs": outcome.epochs,
                "seconds": outcome.seconds,
                "losses": losses,
                "error": trial.error,
            }
            entry.add_event(f"trial_{outcome.state}", data)

    def requeue_trial(self, claim: Claim, trial_id: str, reason: str) -> TrialState:
        """Plan a running trial again that was lost by no fault of its own, unless it was the last attempt.

        Args:
            claim: the lease it is done under.
            trial_id: the trial.
            reason: what happened, in words for the user.

        Returns:
            `TrialState.PLANNED`, or `TrialState.FAILED` after the last allowed attempt.

        Raises:
            StaleLeaseError: if the claim is no longer valid.
            NotFoundError: if the job has no such trial.
            StateConflictError: if it is not running.
        """
        with self._database.writing() as session:
            entry = enter_claimed(self._database, session, claim)
            trial, network = _find_trial(entry, trial_id, TrialState.RUNNING)
            return entry.lose_trial(trial, network, storable(reason))


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


def _network_row(table_id: str, position: int, order: list[str], measured: MeasuredNetwork) -> NetworkRow:
    network = measured.network
    return NetworkRow(
        id=new_id(),
        score_table_id=table_id,
        position=position,
        tasks=[name for name in order if name in network.group],
        group_key=group_key(network.group),
        group_size=len(network.group),
        size=network.size,
        cost_snt=network.cost_snt,
        multiply_adds=measured.multiply_adds,
        widths=list(measured.widths),
    )


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
    )


def _score_row(trial_id: str, score: TaskScore) -> ScoreRow:
    # SQLite drops the sign of a negative zero: adding zero does so on every database.
    return ScoreRow(
        trial_id=trial_id,
        task=score.task,
        validation_loss=score.validation_loss + 0.0,
        test_loss=score.test_loss + 0.0,
        validation_metric=score.validation_metric + 0.0,
        test_metric=score.test_metric + 0.0,
    )


def _find_trial(entry: Entry, trial_id: str, state: TrialState) -> tuple[TrialRow, NetworkRow]:
    found = None
    if is_id(trial_id):
        found = entry.session.execute(
            select(TrialRow, NetworkRow)
            .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
            .where(TrialRow.id == trial_id, TrialRow.job_id == entry.job.id)
        ).one_or_none()
    if found is None:
        raise NotFoundError("trial", trial_id)
    trial, network = found
    if trial.state != state:
        raise StateConflictError(f"The trial is {trial.state}; it should be {state} for this.")
    return trial, network
