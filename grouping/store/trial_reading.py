"""Trials read from their rows, with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from grouping.domain.networks import Network
from grouping.domain.trainings.faults import Fault, Standing
from grouping.domain.trainings.trials import (
    Purpose,
    TaskScore,
    ToldFrom,
    Trial,
    TrialOrigin,
    TrialState,
    Variant,
)
from grouping.store.codec import network_from_row
from grouping.store.rows import NetworkRow, ScoreRow, TrialRow


def read_trials(session: Session, chosen: ColumnElement[bool]) -> tuple[Trial, ...]:
    """Read trials with their scores, in the order of the plan.

    Columns rather than rows of the mapper, which take several times as long, and each network once.
    """
    scores: dict[str, list[TaskScore]] = {}
    cells = session.execute(
        select(
            ScoreRow.trial_id,
            ScoreRow.task,
            ScoreRow.validation_loss,
            ScoreRow.test_loss,
            ScoreRow.validation_metric,
            ScoreRow.test_metric,
        )
        .join(TrialRow, TrialRow.id == ScoreRow.trial_id)
        .where(chosen)
    )
    for trial_id, task, loss, *values in cells:
        scores.setdefault(trial_id, []).append(TaskScore(task, loss, *values))
    used = select(TrialRow.network_id).where(chosen)
    networks = {
        row.id: (network_from_row(row), {task: t for t, task in enumerate(row.tasks)})
        for row in session.scalars(select(NetworkRow).where(NetworkRow.id.in_(used)))
    }
    rows = session.execute(select(*TrialRow.__table__.columns).where(chosen).order_by(TrialRow.position))
    return tuple(_trial(row, *networks[row.network_id], scores.get(row.id, [])) for row in rows)


def _trial(
    row: Row[tuple[Any, ...]], network: Network, order: Mapping[str, int], scores: list[TaskScore]
) -> Trial:
    """Convert the columns of a trial; `order` gives the place of each task of its network."""
    return Trial(
        id=row.id,
        position=row.position,
        network=network,
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
        standing=Standing(row.failures, row.losses, row.shortages),
        fault=None if row.fault is None else Fault(row.fault),
        variant=Variant(row.recipe, row.members),
    )


def _origin(row: Row[tuple[Any, ...]]) -> TrialOrigin | None:
    if row.reused_from_job is None or row.reused_from_trial is None:
        return None
    return TrialOrigin(row.reused_from_job, row.reused_from_trial)
