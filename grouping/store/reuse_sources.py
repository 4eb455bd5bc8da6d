"""Sources of reuse: which outcomes of other jobs may be copied into a job, and why others may not.

A training depends on the inputs, the split and the labels of its tasks, on the definitions of its tasks, on
the trainer and what that says its scores depend on (`Trainer.scores_depend_on`), and on its own group,
size, seed and fidelity; on nothing else of its job. Where all of these agree, so do the outcomes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from grouping.domain.jobs.reuse import Reusable, ReuseSource, are_of_one_data_set
from grouping.domain.networks import NetworkKey
from grouping.domain.trainings.datasets import DataDigests
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import Purpose, TrialKey, TrialState
from grouping.store.codec import as_json, is_id, spec_from_json, trainer_of_spec
from grouping.store.rows import JobRow, NetworkRow, ScoreTableRow, TrialRow
from grouping.trainers import trainer_class

_COUNTS = frozenset({"weight", "scale", "reference", "must_not_worsen"})
_KNOWN = (TrialState.SUCCEEDED, TrialState.DIVERGED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Properties of a job with which a reusable outcome must agree."""

    job_id: str | None
    problem: str
    seed: int
    reuse_jobs: tuple[str, ...]
    trainer: str
    depends_on: Mapping[str, Any] | None
    data_digest: str | None
    definitions: dict[str, dict[str, Any]]
    size_names: Mapping[float, str]
    digests: DataDigests | None = None

    @classmethod
    def of_row(cls, session: Session, row: JobRow) -> Wanted:
        """Take the properties of a stored job."""
        settled = row.settled if row.data_digest is not None else None
        trainer, spec = trainer_of_spec(row.spec), spec_from_json(row.spec)
        return cls(
            row.id,
            row.spec["problem"],
            row.spec["seed"],
            tuple(row.spec.get("reuse_jobs", ())),
            trainer.name,
            depends_on(trainer, settled, spec.epochs),
            row.data_digest,
            _definitions(session, row),
            spec.size_names,
            trainer_class(trainer.name).data_digests(settled or {}),
        )


def find_sources(session: Session, wanted: Wanted) -> Iterator[tuple[ReuseSource, JobRow | None]]:
    """Yield the jobs named to be reused, in order, with their rows unless they were deleted."""
    for job_id in wanted.reuse_jobs:
        row = session.get(JobRow, job_id) if is_id(job_id) else None
        if row is None or row.id == wanted.job_id:
            yield ReuseSource(job_id, "it was deleted"), None
            continue
        theirs = Wanted.of_row(session, row)
        alike = frozenset(task for task in wanted.definitions if _is_alike(task, wanted, theirs))
        yield ReuseSource(row.id, _obstacle(wanted, theirs, alike), alike), row


def _obstacle(ours: Wanted, theirs: Wanted, alike: Collection[str]) -> str | None:
    """Say why no outcome of theirs can be copied into ours; None if some may."""
    if not are_of_one_data_set(theirs.problem, ours.problem):
        return f"it is on another problem, {theirs.problem}"
    if theirs.data_digest is None:
        return "it has trained nothing"
    if ours.data_digest is not None and (change := _change_of_data(ours, theirs)):
        return change
    if theirs.trainer != ours.trainer:
        return f"its trainer is {theirs.trainer} and this job's is {ours.trainer}"
    if different := _different(ours, theirs):
        return f"it was trained otherwise: {', '.join(different)}"
    if any(theirs.size_names.get(number) != name for number, name in ours.size_names.items()):
        return "its sizes are not those of this job"
    if not alike:
        return "it has no task of this job"
    # Seeds follow from the job's own, and those of two jobs are the same or have nothing in common.
    if theirs.seed != ours.seed:
        return f"its seed is {theirs.seed} and this job's is {ours.seed}, so no trial is the same"
    return None


def _is_alike(task: str, ours: Wanted, theirs: Wanted) -> bool:
    """Return whether a task is defined alike in both jobs, and has the same labels, as far as known."""
    if theirs.definitions.get(task) != ours.definitions[task]:
        return False
    known = ours.digests is not None and theirs.digests is not None
    return not known or ours.digests.targets.get(task) == theirs.digests.targets.get(task)  # type: ignore[union-attr]


def _change_of_data(ours: Wanted, theirs: Wanted) -> str | None:
    """Say what no network can have seen alike in the data of two jobs; None if only targets may differ."""
    here, there = ours.digests, theirs.digests
    if here is None or there is None:
        return None if ours.data_digest == theirs.data_digest else "the data changed since"
    if here.n_rows != there.n_rows:
        return f"the data changed since: {there.n_rows:,} rows then and {here.n_rows:,} now"
    if here.inputs != there.inputs:
        return "the data changed since: its inputs are others"
    if here.split != there.split:
        return (
            "the data changed since: rows are divided into training, validation and test, or drawn, otherwise"
        )
    return None


def depends_on(
    trainer: Method, settled: Mapping[str, Any] | None, epochs: int | None
) -> Mapping[str, Any] | None:
    """Return what the scores of a job depend on; see `Trainer.scores_depend_on`.

    Args:
        trainer: the job's trainer with its parameters.
        settled: what it settled; None before the job is prepared.
        epochs: epochs of a full training that the job states; None where it leaves them to its trainer.
    """
    found = trainer_class(trainer.name).scores_depend_on(trainer.parameters, settled)
    return found if found is None or epochs is None else {**found, "epochs": epochs}


def _different(ours: Wanted, theirs: Wanted) -> list[str]:
    """Name what the scores of two jobs depend on and in what they differ, as far as known."""
    here, there = ours.depends_on or {}, theirs.depends_on or {}
    names = [*here, *(name for name in there if name not in here)]
    if ours.data_digest is None:
        names = list(here)  # what it will settle is not known yet
    return [
        f"{name.replace('_', ' ')} {_shown(there.get(name))} there and {_shown(here.get(name))} here"
        for name in names
        if as_json(here.get(name)) != as_json(there.get(name))
    ]


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return "x".join(map(str, value))
    if isinstance(value, Mapping) and set(value) == {"name", "parameters"}:
        return str(Method(value["name"], value["parameters"]))
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _definitions(session: Session, job: JobRow) -> dict[str, dict[str, Any]]:
    tasks = session.scalars(select(ScoreTableRow.tasks).where(ScoreTableRow.id == job.score_table_id)).one()
    return {task["name"]: definition_of(task) for task in tasks}


def definition_of(task: dict[str, Any]) -> dict[str, Any]:
    """Return what trainings of a task depend on: all fields but those that say what its losses count."""
    return {key: value for key, value in task.items() if key not in _COUNTS}


def find_reusable(session: Session, wanted: Wanted) -> Reusable:
    """Find every outcome that may be copied, and whether affinities were measured with it."""
    found: dict[TrialKey, bool] = {}
    for source, row in find_sources(session, wanted):
        if row is None or source.obstacle is not None:
            continue
        for trial, network in known_trials(session, row, source.tasks):
            key = TrialKey(
                NetworkKey(frozenset(network.tasks), network.size),
                trial.seed,
                trial.fidelity,
                Purpose(trial.purpose),
            )
            found[key] = found.get(key, False) or trial.measures_affinity
    return found


def known_trials(
    session: Session, source: JobRow, tasks: Collection[str]
) -> Iterator[tuple[TrialRow, NetworkRow]]:
    """Yield trials of a job with an outcome, of networks of these tasks only, in the order of the plan.

    Those of tuned recipes are left out: what they are compared with is chosen anew in each job.
    """
    found = session.execute(
        select(TrialRow, NetworkRow)
        .join(NetworkRow, NetworkRow.id == TrialRow.network_id)
        .where(
            TrialRow.job_id == source.id,
            TrialRow.state.in_(_KNOWN),
            TrialRow.purpose.in_((Purpose.SEARCH, Purpose.CONFIRMATION)),
        )
        .order_by(TrialRow.position)
    )
    return ((trial, network) for trial, network in found if set(network.tasks) <= set(tasks))
