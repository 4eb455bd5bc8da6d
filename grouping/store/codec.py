"""Conversion between domain types and the database: JSON, rows, and text that every database accepts."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from grouping.domain.affinities.joint_runs import JointAffinities, JointRun
from grouping.domain.fields import from_plain
from grouping.domain.jobs.job import Event, Job, JobState, Stop, StopReason
from grouping.domain.jobs.specification import PARAMETERS, JobSpec
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.faults import NOTHING_MISSING, Missing
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import TaskScore
from grouping.errors import InvalidInputError
from grouping.store.records import StoredGrouping, StoredNetwork, TableInfo
from grouping.store.rows import (
    ID_LENGTH,
    KEY_LENGTH,
    EventRow,
    GroupingRow,
    JobRow,
    JointAffinityRow,
    NetworkRow,
    ScoreRow,
    ScoreTableRow,
)

_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


def new_id() -> str:
    """Create a random identifier that sorts by its time of creation."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def new_lease_token() -> str:
    """Create a token that nobody guesses, in the form of an identifier."""
    return secrets.token_hex(ID_LENGTH // 2)


def is_id(value: str) -> bool:
    """Return whether `value` has the form of an identifier; others must not reach a query."""
    return _ID.fullmatch(value) is not None


def storable(text: str) -> str:
    """Replace NULs and lone surrogates in a text, which a database refuses."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def as_json(value: object, *, pointer: str = "") -> Any:
    """Convert a value to JSON as a column will return it: mappings as dicts, tuples as lists.

    Raises:
        InvalidInputError: if it has no JSON form, such as an infinite number or an object.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"A value cannot be stored as JSON: {error}.", pointer=pointer) from error


def as_storable_json(value: object, *, pointer: str = "") -> Any:
    """Convert a value as `as_json` does, with every text made `storable`, for texts of uploaded files.

    Raises:
        InvalidInputError: if it has no JSON form.
    """
    return _storable_texts(as_json(value, pointer=pointer))


def _storable_texts(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_texts(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): _storable_texts(item) for key, item in value.items()}
    return value


def check_idempotency_key(key: str | None) -> None:
    """Refuse what cannot be stored as an idempotency key.

    Raises:
        InvalidInputError: if it is empty, too long or holds a NUL or a lone surrogate.
    """
    if key is not None and (not key or len(key) > KEY_LENGTH or storable(key) != key):
        raise InvalidInputError(f"An idempotency key has 1 to {KEY_LENGTH} characters, without NUL.")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def spec_to_json(spec: JobSpec) -> dict[str, Any]:
    """Convert all fields of a job's specification."""
    data = {field.name: getattr(spec, field.name) for field in fields(spec)}
    parameters = {name: as_json(data[name], pointer=f"/{name}") for name in PARAMETERS}
    plain: dict[str, Any] = as_json(data | parameters)
    return plain


def spec_from_json(data: Mapping[str, Any]) -> JobSpec:
    """Invert `spec_to_json`; fields that an older version did not store have their defaults."""
    return from_plain(JobSpec, data)


def trainer_of_spec(spec: Mapping[str, Any]) -> Method:
    """Return the trainer of a stored job."""
    return Method(spec["trainer"], spec["trainer_parameters"])


def task_to_json(task: Task) -> dict[str, Any]:
    """Convert all fields of a task."""
    data: dict[str, Any] = as_json(task.as_mapping())
    return data


def task_from_json(data: Mapping[str, Any]) -> Task:
    """Invert `task_to_json`; fields that an older version did not store have their defaults."""
    return Task.from_mapping(data)


def group_key(group: Collection[str]) -> str:
    """Return a short key of a set of tasks, whatever their number; names never hold ``+``."""
    return hashlib.sha256("+".join(sorted(group)).encode()).hexdigest()


def network_to_row(
    table_id: str, position: int, order: Sequence[str], measured: MeasuredNetwork, *, is_measured: bool = True
) -> NetworkRow:
    """Make the row of a network that a score table gets.

    Args:
        table_id: the score table.
        position: its place in the table.
        order: names of all tasks of the table, in order.
        measured: the network with its costs.
        is_measured: whether these are measured; else they are nominal until then.
    """
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
        latency_ms=measured.latency_ms,
        is_measured=is_measured,
    )


def job_from_row(row: JobRow) -> Job:
    """Convert a row to the job."""
    return Job(
        id=row.id,
        spec=spec_from_json(row.spec),
        state=JobState(row.state),
        score_table_id=row.score_table_id,
        stop_reason=None if row.stop_reason is None else StopReason(row.stop_reason),
        error=row.error,
        created_s=row.created_s,
        started_s=row.started_s,
        finished_s=row.finished_s,
        data_digest=row.data_digest,
        versions=dict(row.versions),
        settled=dict(row.settled),
        is_taken=row.lease_owner is not None,
        name=row.name,
        note=row.note,
        tags=tuple(row.tags),
        stop=None if row.stop is None else Stop(row.stop),
        missing=NOTHING_MISSING if row.missing is None else from_plain(Missing, row.missing),
    )


def network_from_row(row: NetworkRow) -> Network:
    """Convert a row to the network with its measured cost."""
    return Network(frozenset(row.tasks), row.size, row.cost_snt)


def stored_network_from_row(row: NetworkRow) -> StoredNetwork:
    """Convert a row to the network with all its measurements."""
    return StoredNetwork(row.id, network_from_row(row), row.multiply_adds, tuple(row.widths), row.latency_ms)


def table_info_from_row(row: ScoreTableRow, job: JobRow | None, cost_names: Sequence[str] = ()) -> TableInfo:
    """Convert a row, with that of the job that fills it, to the description of a table without its scores.

    Args:
        row: the table.
        job: the job that fills it; None for an imported table.
        cost_names: further costs that were measured or reported.
    """
    tasks = tuple(task_from_json(task) for task in row.tasks)
    imported = row.imported or {}
    sizes = () if job is None else spec_from_json(job.spec).sizes
    costs = [*imported.get("costs", ()), *(sizes[0].costs if sizes else ()), *cost_names]
    return TableInfo(
        row.id,
        row.name,
        tasks,
        row.revision,
        row.created_s,
        None if job is None else job.id,
        tuple(dict.fromkeys(costs)),
        imported.get("report"),
    )


def grouping_from_row(row: GroupingRow) -> StoredGrouping:
    """Convert a row to the stored grouping."""
    return StoredGrouping(row.id, row.score_table_id, row.revision, row.created_s, row.request, row.answer)


def score_from_row(row: ScoreRow) -> TaskScore:
    """Convert a row to the losses and metrics of a trial on one task."""
    return TaskScore(row.task, row.validation_loss, row.test_loss, row.validation_metric, row.test_metric)


def joint_affinities_to_row(
    trial_id: str, order: Sequence[str], affinities: JointAffinities
) -> JointAffinityRow:
    """Convert the affinities of a trial to a row; the tasks in the order given."""
    places = [affinities.tasks.index(task) for task in order]
    square = np.ix_(places, places)
    return JointAffinityRow(
        trial_id=trial_id,
        n_steps=affinities.n_steps,
        affinities={
            method: [[None if value != value else value for value in row] for row in values[square].tolist()]
            for method, values in affinities.values.items()
        },
        sample_overlap=affinities.sample_overlap[square].tolist(),
    )


def joint_run_from_row(row: JointAffinityRow, network: NetworkRow, seed: int) -> JointRun:
    """Invert `joint_affinities_to_row`."""
    values = {method: np.array(cells, dtype=np.float64) for method, cells in row.affinities.items()}
    overlap = np.array(row.sample_overlap, dtype=np.float64)
    affinities = JointAffinities(tuple(network.tasks), values, row.n_steps, overlap)
    return JointRun(network_from_row(network), seed, affinities)


def event_from_row(row: EventRow) -> Event:
    """Convert a row to an event of a job's history."""
    return Event(row.number, row.at_s, row.kind, row.data)
