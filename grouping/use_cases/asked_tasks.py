"""Tasks and sizes that a request asks for: those of a problem, or of its own."""

from __future__ import annotations

from grouping.domain.jobs.task_definitions import MEASURED, SizeVariant, TaskDefinition
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, pointing_below
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping.trainers import get_trainer
from grouping.wire.requests import JobRequest, TaskIn


def tasks_of(request: JobRequest) -> tuple[Task, ...]:
    """Return the tasks of the problem that were chosen, or those that the request defines.

    Raises:
        UnknownNameError: if there is no such problem.
        InvalidInputError: if a task is unknown or named twice, or it is not clear who defines it.
    """
    if request.problem:
        if request.defined:
            place = next(n for n, task in enumerate(request.tasks or ()) if not isinstance(task, str))
            raise InvalidInputError(
                f"The problem {request.problem!r} defines its tasks: give their names, or no problem.",
                pointer=f"/tasks/{place}",
            )
        return _chosen_tasks(get_problem(request.problem), request.named)
    if not request.tasks:
        raise InvalidInputError("Name a problem, or define tasks.", pointer="/problem")
    names = request.named or ()
    for place, task in enumerate(request.tasks):
        if isinstance(task, str):
            raise InvalidInputError(
                f"The task {task!r} needs a definition, since there is no problem that defines it.",
                pointer=f"/tasks/{place}",
            )
        if task.name in names[:place]:
            raise InvalidInputError(f"The task {task.name!r} is defined twice.", pointer=f"/tasks/{place}")
    return tuple(_checked(task, place).task() for place, task in enumerate(request.defined))


def _checked(task: TaskIn, place: int) -> TaskDefinition:
    with pointing_below(f"/tasks/{place}", always=True):
        return _definition(task)


def _definition(task: TaskIn) -> TaskDefinition:
    return TaskDefinition(**task.model_dump())


def definitions_of(request: JobRequest) -> tuple[TaskDefinition, ...]:
    """Return the tasks that the request defines; none where they are those of a problem."""
    return tuple(_definition(task) for task in request.defined)


def sizes_of(request: JobRequest) -> tuple[SizeVariant, ...]:
    """Return the sizes that the request names; where a cost is to be measured, its width stands for it.

    Raises:
        InvalidInputError: if a size breaks a rule of its own, its cost cannot be measured, or there are sizes
            beside `single_sizes`; points at the size.
    """
    found = []
    for place, size in enumerate(request.sizes):
        stated = size.model_dump()
        if size.cost == MEASURED:
            if get_trainer(request.trainer.name).trains_elsewhere:
                raise InvalidInputError(
                    f"The cost of {size.name!r} is measured by: grouping run FILE -- COMMAND. Else state it, "
                    "or name a trainer of the service, which measures it.",
                    pointer=f"/sizes/{place}/cost",
                )
            stated |= {"cost": size.width or 1.0, "is_to_be_measured": True}
        with pointing_below(f"/sizes/{place}", always=True):
            found.append(SizeVariant(**stated))
    if request.sizes and "single_sizes" in request.model_fields_set:
        raise InvalidInputError("Give sizes, or single_sizes: one of the two.", pointer="/single_sizes")
    return tuple(found)


def _chosen_tasks(problem: Problem, names: tuple[str, ...] | None) -> tuple[Task, ...]:
    known = [task.name for task in problem.tasks]
    wanted = known if names is None else names
    for position, name in enumerate(wanted):
        if name not in known:
            raise InvalidInputError(
                f"The problem {problem.name!r} has no task {name!r}. Its tasks: {', '.join(known)}.",
                pointer=f"/tasks/{position}",
            )
        if name in wanted[:position]:
            raise InvalidInputError(f"The task {name!r} is named twice.", pointer=f"/tasks/{position}")
    return tuple(task for task in problem.tasks if task.name in wanted)
