"""A job like another: what is left out of the request is taken from there."""

from __future__ import annotations

from grouping.domain.jobs import Job
from grouping.errors import InvalidInputError
from grouping.wire.jobs import RecipeOut, SpecOut
from grouping.wire.requests import CloneRequest, JobRequest


def request_of_clone(source: Job, wanted: CloneRequest) -> JobRequest:
    """The submission that a clone amounts to; it reuses its source.

    The recipe is the one that the source was trained with, tuned or not, and is not tuned again.

    Raises:
        InvalidInputError: if a task is dropped that is not there, or none is left.
    """
    spec = source.spec
    tasks = _tasks(spec.tasks, wanted)
    asked = SpecOut.read(spec).model_dump() | {
        "name": spec.name,
        "tasks": list(tasks),
        "weights": {task: weight for task, weight in spec.weights.items() if task in tasks},
        "tuning_samples": 0,
        "reuse_jobs": [source.id],
    }
    if spec.max_group_size >= len(spec.tasks):
        asked["max_group_size"] = None  # all tasks there, and here
    changes = wanted.model_dump(exclude={"add_tasks", "drop_tasks"}, exclude_none=True)
    recipe = RecipeOut.read(source.recipe).model_dump() | changes.pop("recipe")
    return JobRequest.model_validate(asked | changes | {"recipe": recipe})


def _tasks(tasks: tuple[str, ...], wanted: CloneRequest) -> tuple[str, ...]:
    for position, name in enumerate(wanted.drop_tasks):
        if name not in tasks:
            raise InvalidInputError(
                f"The job has no task {name!r} to drop. Its tasks: {', '.join(tasks)}.",
                pointer=f"/drop_tasks/{position}",
            )
    for position, name in enumerate(wanted.add_tasks):
        if name in tasks:
            raise InvalidInputError(
                f"The job has the task {name!r} already.", pointer=f"/add_tasks/{position}"
            )
    left = tuple(task for task in tasks if task not in wanted.drop_tasks)
    changed = (*left, *wanted.add_tasks)
    if not changed:
        raise InvalidInputError("No task would be left.", pointer="/drop_tasks")
    return changed
