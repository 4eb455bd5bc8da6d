"""From a request to a job that can be carried out: everything is checked before anything is stored."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from api.schemas.requests import JobRequest, RecipeIn
from grouping.domain.groupings import fits
from grouping.domain.jobs import MAX_BUDGETS, JobSpec, TrainingBudget
from grouping.domain.networks import CANDIDATE_LIMIT, Network, count_candidates, list_candidates
from grouping.domain.recipes import Recipe
from grouping.domain.tasks import Task
from grouping.errors import BudgetTooSmallError, InvalidInputError, TooManyCandidatesError
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping.strategies import check_parameters


def request_digest(request: JobRequest) -> str:
    """SHA-256 of what was asked for, independent of the order of fields and of blanks."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def build_spec(request: JobRequest) -> tuple[JobSpec, tuple[Task, ...]]:
    """Check a request and complete it from the problem.

    Returns:
        What to carry out, and the tasks with their weights, in the problem's order.

    Raises:
        UnknownNameError: if problem, strategy or a task does not exist.
        TooManyCandidatesError: if the search would list too many networks.
        BudgetTooSmallError: if no candidates cover every task within one of the budgets.
        InvalidInputError: if anything else breaks a rule.
    """
    problem = get_problem(request.problem)
    tasks = _chosen_tasks(problem, request)
    names = tuple(task.name for task in tasks)
    check_parameters(request.strategy.name, request.strategy.parameters)
    with _below("/recipe"):
        recipe = _merged_recipe(problem.recipe, request.recipe)
    max_group_size = min(request.max_group_size or len(names), len(names))
    candidates = _candidates(names, max_group_size, request.single_sizes)
    cover = nominal_cover(candidates, names)
    budgets = request.budgets_snt or default_budgets(cover, len(names))
    for position, budget in enumerate(budgets):
        if not fits(cover, budget):
            pointer = f"/budgets_snt/{position}" if request.budgets_snt else "/budgets_snt"
            raise BudgetTooSmallError(budget, cover, pointer=pointer)
    spec = JobSpec(
        problem=problem.name,
        tasks=names,
        name=request.name.strip(),
        strategy=request.strategy.name,
        strategy_parameters=request.strategy.parameters,
        max_group_size=max_group_size,
        single_sizes=tuple(request.single_sizes),
        budgets_snt=tuple(budgets),
        n_seeds=request.n_seeds,
        n_confirmation_seeds=request.n_confirmation_seeds,
        training_budget=TrainingBudget(**request.training_budget.model_dump()),
        recipe=recipe,
        tuning_samples=request.tuning_samples,
        weights=request.weights,
        seed=request.seed,
    )
    weighted = tuple(task.with_weight(request.weights.get(task.name, task.weight)) for task in tasks)
    return spec, weighted


def default_budgets(cover_snt: float, n_tasks: int) -> tuple[float, ...]:
    """Whole budgets from the cheapest that covers every task to one full-size network per task."""
    first = math.ceil(cover_snt - 1e-9)
    return tuple(float(budget) for budget in range(first, max(first, n_tasks) + 1))[:MAX_BUDGETS]


def nominal_cover(candidates: Sequence[Network], names: Sequence[str]) -> float:
    """Cost of the cheapest candidates that cover every task, from nominal costs.

    All groups up to a size are candidates, and all full-size networks cost the same. So the cheapest cover
    is some number of the largest groups, and single tasks at the smallest size for what is left: no
    programme needs to be solved, however many candidates there are.
    """
    largest = max(len(network.group) for network in candidates)
    full = min(network.cost_snt for network in candidates if len(network.group) == largest)
    single = min(network.cost_snt for network in candidates if len(network.group) == 1)
    return min(
        n_groups * full + max(0, len(names) - n_groups * largest) * single
        for n_groups in range(math.ceil(len(names) / largest) + 1)
    )


def _chosen_tasks(problem: Problem, request: JobRequest) -> tuple[Task, ...]:
    known = [task.name for task in problem.tasks]
    wanted = known if request.tasks is None else request.tasks
    for position, name in enumerate(wanted):
        if name not in known:
            raise InvalidInputError(
                f"The problem {problem.name!r} has no task {name!r}. Its tasks: {', '.join(known)}.",
                pointer=f"/tasks/{position}",
            )
        if name in wanted[:position]:
            raise InvalidInputError(f"The task {name!r} is named twice.", pointer=f"/tasks/{position}")
    return tuple(task for task in problem.tasks if task.name in wanted)


def _candidates(
    names: Sequence[str], max_group_size: int, single_sizes: Sequence[float]
) -> tuple[Network, ...]:
    try:
        return list_candidates(names, max_group_size=max_group_size, single_sizes=single_sizes)
    except TooManyCandidatesError as error:
        n_sizes = len({size for size in single_sizes if size != 1})
        sizes = range(1, max_group_size)
        fitting = [k for k in sizes if count_candidates(len(names), k, n_sizes) <= CANDIDATE_LIMIT]
        if not fitting:
            raise
        largest = fitting[-1]
        count = count_candidates(len(names), largest, n_sizes)
        raise TooManyCandidatesError(
            f"{error} The largest that fits is max_group_size {largest}, with {count:,} networks.",
            n_networks=error.n_networks,
            limit=error.limit,
            pointer="/max_group_size",
        ) from error


def _merged_recipe(base: Recipe, wanted: RecipeIn) -> Recipe:
    given = wanted.model_dump(exclude_none=True)
    if "hidden" in given:
        given["hidden"] = tuple(given["hidden"])
    return replace(base, **given)


@contextmanager
def _below(prefix: str) -> Iterator[None]:
    """Point at the field of the whole request, where the domain knows only a part of it."""
    try:
        yield
    except InvalidInputError as error:
        error.pointer = prefix + error.pointer
        raise
