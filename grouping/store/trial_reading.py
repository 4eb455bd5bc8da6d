"""Trials read from their rows, with their scores."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from grouping.domain.trials import Purpose, TaskScore, ToldFrom, Trial, TrialOrigin, TrialState
from grouping.store.codec import network_from_row, score_from_row
from grouping.store.rows import NetworkRow, ScoreRow, TrialRow


def read_trials(session: Session, chosen: ColumnElement[bool]) -> tuple[Trial, ...]:
    """Read trials with their scores, in the order of the plan."""
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
        artefact=row.artefact,
        told=None if row.told is None else ToldFrom(**row.told),
    )


def _origin(row: TrialRow) -> TrialOrigin | None:
    if row.reused_from_job is None or row.reused_from_trial is None:
        return None
    return TrialOrigin(row.reused_from_job, row.reused_from_trial)
