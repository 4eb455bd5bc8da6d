"""Clones of jobs: fields left out of the request are taken from the source job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from grouping.domain.access import Scope
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import TaskDefinition
from grouping.errors import InvalidInputError
from grouping.store import Store
from grouping.trainers import parameters_in_use
from grouping.use_cases.asked_again import asked_like
from grouping.use_cases.estimate import estimate
from grouping.use_cases.idempotency import FIRST_OF_CLONE, counted, digest_of
from grouping.use_cases.results import refused_groups
from grouping.use_cases.submit import build_spec, check_granted
from grouping.use_cases.webhooks import check_webhooks
from grouping.wire.constraints import ConstraintsOut
from grouping.wire.estimates import EstimateOut
from grouping.wire.requests import CloneRequest, JobRequest, TaskIn

AskedTask = str | TaskDefinition | TaskIn
"""A task by its name, or its definition."""


def clone(
    store: Store, job_id: str, wanted: CloneRequest, idempotency_key: str | None = None, *, granted: Scope
) -> tuple[Job, bool]:
    """Submit a clone of a job; it copies the outcomes that stay the same.

    Args:
        store: the database.
        job_id: the job.
        wanted: what is to differ.
        idempotency_key: requests with one key store one job.
        granted: what whoever asks may do.

    Returns:
        The job, and whether this call stored it.

    Raises:
        NotFoundError: if there is no such job.
        ForbiddenError: if its trainer is for others.
        InvalidInputError: if the job would not be accepted; the pointer to an unknown task refers to
            `wanted`.
        IdempotencyConflictError: if the key was used before with another request.
    """
    source = store.get_job(job_id)
    request = request_of_clone(source, wanted)
    with _pointing_at_added_tasks(request, wanted):
        spec, tasks = build_spec(request)
    check_granted(spec, granted)
    check_webhooks(spec)
    digest = digest_of({"clone": source.id, **counted(wanted, FIRST_OF_CLONE)})
    return store.create_job(
        spec,
        tasks,
        idempotency_key=idempotency_key,
        request_digest=digest,
        results=[told.results() for told in wanted.results],
        refused=refused_groups(spec),
        named_after=source.name,
    )


def estimate_clone(
    store: Store, job_id: str, wanted: CloneRequest, *, n_workers: int | None = None
) -> EstimateOut:
    """Estimate what a clone of a job would train, beside the outcomes that it copies; see `estimate`.

    Raises:
        NotFoundError: if there is no such job.
        GroupingError: if the job would not be accepted, or its strategy refuses the candidates.
    """
    asked = request_of_clone(store.get_job(job_id), wanted)
    request = asked.model_copy(update={"results": wanted.results})
    with _pointing_at_added_tasks(request, wanted):
        return estimate(request, store, n_workers=n_workers)


@contextmanager
def _pointing_at_added_tasks(request: JobRequest, wanted: CloneRequest) -> Iterator[None]:
    """Have errors that point to a task of the request point to the added task that it is."""
    try:
        yield
    except InvalidInputError as error:
        _, _, place = error.pointer.partition("/tasks/")
        position, *within = place.split("/")
        n_kept = len(request.tasks or ()) - len(wanted.add_tasks)
        if position.isdigit() and int(position) >= n_kept:
            error.pointer = "/".join(("/add_tasks", str(int(position) - n_kept), *within))
        raise


def spec_of_clone(source: Job) -> JobSpec:
    """Build the specification of an unchanged clone, from which a changed one is asked for by hand.

    Raises:
        InvalidInputError: if the job would not be accepted here, such as without its problem.
    """
    return build_spec(request_of_clone(source, CloneRequest()))[0]


def request_of_clone(source: Job, wanted: CloneRequest) -> JobRequest:
    """Build the complete job request of a clone; it reuses the outcomes of its source.

    Its trainer's parameters are those that the source was trained with, such as a tuned recipe.

    Raises:
        InvalidInputError: if a task to drop is unknown, a task to add is there already, or no task is left.
    """
    spec = source.spec
    tasks = _tasks(spec, wanted)
    names = {_name_of(task) for task in tasks}
    asked = asked_like(spec) | {
        "name": "",
        "tags": list(source.tags),
        "tasks": [_as_asked(task) for task in tasks],
        "constraints": ConstraintsOut.read(spec.constraints.among(names), tasks=spec.tasks).model_dump(),
        "weights": {task: weight for task, weight in spec.weights.items() if task in names},
        "trainer": _trainer(source, wanted),
        "reuse_jobs": [source.id],
    }
    if spec.max_group_size >= len(spec.tasks):
        asked["max_group_size"] = None  # the source allowed a group of all tasks, and so does the clone
    changes = wanted.model_dump(exclude={"add_tasks", "drop_tasks", "trainer", "results"}, exclude_none=True)
    if "resources" in changes:
        changes["resources"] = {**asked["resources"], **changes["resources"]}
    return JobRequest.model_validate(asked | changes)


def _trainer(source: Job, wanted: CloneRequest) -> dict[str, Any]:
    name, parameters = source.spec.trainer, dict(parameters_in_use(source))
    if wanted.epochs is not None:
        parameters.pop("epochs", None)  # it is that number, where the trainer has such a parameter
    if wanted.trainer is None:
        return {"name": name, "parameters": parameters}
    own = parameters if wanted.trainer.name == name else {}
    return {"name": wanted.trainer.name, "parameters": {**own, **wanted.trainer.parameters}}


def _tasks(spec: JobSpec, wanted: CloneRequest) -> tuple[AskedTask, ...]:
    for position, name in enumerate(wanted.drop_tasks):
        if name not in spec.tasks:
            raise InvalidInputError(
                f"The job has no task {name!r} to drop. Its tasks: {', '.join(spec.tasks)}.",
                pointer=f"/drop_tasks/{position}",
            )
    for position, task in enumerate(wanted.add_tasks):
        if _name_of(task) in spec.tasks:
            raise InvalidInputError(
                f"The job has the task {_name_of(task)!r} already.", pointer=f"/add_tasks/{position}"
            )
    present: tuple[AskedTask, ...] = spec.definitions or spec.tasks
    left = tuple(task for task in present if _name_of(task) not in wanted.drop_tasks)
    changed = (*left, *wanted.add_tasks)
    if not changed:
        raise InvalidInputError("No task would be left.", pointer="/drop_tasks")
    return changed


def _name_of(task: AskedTask) -> str:
    return task if isinstance(task, str) else task.name


def _as_asked(task: AskedTask) -> Any:
    if isinstance(task, TaskDefinition):
        return asdict(task)
    return task if isinstance(task, str) else task.model_dump()
