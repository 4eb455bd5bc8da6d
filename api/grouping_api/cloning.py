"""A job like another: what is left out of the request is taken from there."""

from __future__ import annotations

from dataclasses import asdict

from grouping.domain.jobs import Job
from grouping.errors import InvalidInputError
from grouping.wire.requests import CloneRequest, JobRequest, RecipeIn, StrategyIn, TrainingBudgetIn


def request_of_clone(source: Job, wanted: CloneRequest) -> JobRequest:
    """The submission that a clone amounts to; it reuses its source.

    The recipe is the one that the source was trained with, tuned or not, and is not tuned again.

    Raises:
        InvalidInputError: if a task is dropped that is not there, or none is left.
    """
    spec = source.spec
    tasks = _tasks(spec.tasks, wanted)
    took_all = spec.max_group_size >= len(spec.tasks)
    weights = {task: weight for task, weight in spec.weights.items() if task in tasks}
    recipe = asdict(source.recipe) | {"hidden": list(source.recipe.hidden)}
    budget = wanted.training_budget or TrainingBudgetIn(**asdict(spec.training_budget))
    return JobRequest(
        problem=spec.problem,
        tasks=list(tasks),
        name=spec.name if wanted.name is None else wanted.name,
        strategy=wanted.strategy or StrategyIn(name=spec.strategy, parameters=dict(spec.strategy_parameters)),
        max_group_size=wanted.max_group_size or (None if took_all else spec.max_group_size),
        single_sizes=list(spec.single_sizes) if wanted.single_sizes is None else wanted.single_sizes,
        budgets_snt=list(spec.budgets_snt) if wanted.budgets_snt is None else wanted.budgets_snt,
        n_seeds=spec.n_seeds if wanted.n_seeds is None else wanted.n_seeds,
        n_confirmation_seeds=spec.n_confirmation_seeds
        if wanted.n_confirmation_seeds is None
        else wanted.n_confirmation_seeds,
        training_budget=budget,
        recipe=RecipeIn(**(recipe | wanted.recipe.model_dump(exclude_none=True))),
        weights=weights if wanted.weights is None else wanted.weights,
        seed=spec.seed if wanted.seed is None else wanted.seed,
        reuse_jobs=[source.id],
    )


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
