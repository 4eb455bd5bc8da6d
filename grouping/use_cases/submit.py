"""Submission of jobs: everything is checked before anything is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from grouping.domain.access import Scope
from grouping.domain.constraints import Constraints
from grouping.domain.costs import fits
from grouping.domain.fields import declared, from_plain
from grouping.domain.jobs.job import Job
from grouping.domain.jobs.reuse import are_of_one_data_set
from grouping.domain.jobs.specification import CHOICES, DEFAULT_TRAINER, N_DEFAULT_BUDGETS, JobSpec
from grouping.domain.networks import CANDIDATE_LIMIT, count_candidates
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import BuiltInParameters
from grouping.domain.trainings.resources import StatedResources
from grouping.domain.verdicts.baselines import Baselines
from grouping.domain.verdicts.tuning import Tune
from grouping.errors import (
    BudgetTooSmallError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    TooManyCandidatesError,
    pointer_part,
    pointing_below,
)
from grouping.problems.registry import get_problem
from grouping.strategies import Strategy, get_strategy, list_strategies
from grouping.trainers import TrainerRequest, get_trainer, list_trainers, trainer_class
from grouping.use_cases.asked_tasks import definitions_of, sizes_of, tasks_of
from grouping.use_cases.idempotency import FIRST_OF_JOB, counted, digest_of
from grouping.use_cases.results import refused_groups
from grouping.use_cases.webhooks import check_webhooks
from grouping.wire.base_types import path_of, sentence_of
from grouping.wire.requests import JobRequest

if TYPE_CHECKING:  # a job may be priced without a database
    from grouping.store import Store


def submit(
    store: Store, request: JobRequest, idempotency_key: str | None = None, *, granted: Scope
) -> tuple[Job, bool]:
    """Check a request and store the job; a repeated request is answered from the store.

    Args:
        store: the database.
        request: the request.
        idempotency_key: requests with one key store one job.
        granted: what whoever asks may do.

    Returns:
        The job, and whether this call stored it.

    Raises:
        InvalidInputError: as for `build_spec`, or if a job to reuse cannot be reused.
        ForbiddenError: if the trainer is for others.
        ResultsRefusedError: if a finished training does not fit the search.
        IdempotencyConflictError: if the key was used before with another request.
    """
    spec, tasks = build_spec(request)
    check_granted(spec, granted)
    spec = with_reused(spec, store)
    check_webhooks(spec)
    digest = request_digest(request)
    return store.create_job(
        spec,
        tasks,
        idempotency_key=idempotency_key,
        request_digest=digest,
        results=[told.results() for told in request.results],
        refused=refused_groups(spec),
    )


def check_granted(spec: JobSpec, granted: Scope) -> None:
    """Refuse a job with a trainer that is for others, such as one that runs code which the job gives.

    Raises:
        ForbiddenError: if the trainer asks for a larger scope.
    """
    needed = trainer_class(spec.trainer).scope
    if not granted.covers(needed):
        raise ForbiddenError(
            f"The trainer {spec.trainer!r} is for tokens with the scope {needed}; this one has {granted}."
        )


def request_of(asked: Mapping[str, Any]) -> JobRequest:
    """Build a job request from its fields, with the checks of the HTTP API.

    Raises:
        InvalidInputError: if a field does not fit the schema; the pointer gives the first one.
    """
    try:
        return JobRequest.model_validate(asked)
    except ValidationError as error:
        faults = [
            ("/".join(map(str, ("", *path_of(fault["loc"])))), sentence_of(fault["msg"]))
            for fault in error.errors()
        ]
        said = "; ".join(f"{pointer or 'the request'}: {message}" for pointer, message in faults)
        raise InvalidInputError(said, pointer=faults[0][0]) from error


def request_digest(request: JobRequest) -> str:
    """Compute the digest by which a request is known again."""
    return digest_of(counted(request, FIRST_OF_JOB))


def with_reused(spec: JobSpec, store: Store | None) -> JobSpec:
    """Return a specification with the whole identifiers of the jobs to reuse, which exist on its problem.

    Other differences, such as the seed, are no error: nothing is copied then, and the job says so.

    Raises:
        InvalidInputError: if a job cannot be reused; the pointer gives it.
    """
    whole = []
    for position, job_id in enumerate(spec.reuse_jobs):
        with pointing_below(f"/reuse_jobs/{position}", always=True):
            source = None if store is None else _find_job(store, job_id)
            if source is None:
                raise InvalidInputError(f"There is no job {job_id} to reuse.")
            if not are_of_one_data_set(source.spec.problem, spec.problem):
                raise InvalidInputError(
                    f"Job {job_id} is on the problem {source.spec.problem!r}, and this one on "
                    f"{spec.problem!r}: nothing of it can be reused."
                )
            whole.append(source.id)
    return replace(spec, reuse_jobs=tuple(whole)) if tuple(whole) != spec.reuse_jobs else spec


def _find_job(store: Store, job_id: str) -> Job | None:
    try:
        return store.get_job(store.whole_id("job", job_id))
    except NotFoundError:
        return None


def build_spec(request: JobRequest) -> tuple[JobSpec, tuple[Task, ...]]:
    """Check a request and complete it, from the problem if it names one.

    Returns:
        The specification of the job, and its tasks with their weights, in the order of the problem or of
        their definitions.

    Raises:
        UnknownNameError: if problem, strategy or trainer does not exist.
        TooManyCandidatesError: if the search would list too many networks.
        BudgetTooSmallError: if no candidates cover every task within one of the budgets.
        InvalidInputError: if anything else breaks a rule.
    """
    tasks = tasks_of(request)
    sizes = sizes_of(request)
    names = tuple(task.name for task in tasks)
    strategy = get_strategy(request.strategy.name, request.strategy.parameters)
    check_trainer(request, strategy)
    max_group_size = min(request.max_group_size or len(names), len(names))
    has_together = Baselines(request.compared_with).has_together
    # One of the baselines of the confirmation is the network of all tasks.
    largest = len(names) if request.n_confirmation_seeds and has_together else max_group_size
    parameters = _completed_parameters(request, tasks, largest)
    singles_snt = [size.cost for size in sizes[1:]] if sizes else request.single_sizes
    if strategy.lists_candidates:
        _refuse_too_many(names, max_group_size, singles_snt)
    cover = nominal_cover(len(names), max_group_size, singles_snt)
    budgets = request.budgets_snt or whole_budgets(cover, len(names))
    for position, budget in enumerate(budgets):
        if not fits(cover, budget):
            pointer = f"/budgets_snt/{position}" if request.budgets_snt else "/budgets_snt"
            raise BudgetTooSmallError(budget, cover, pointer=pointer)
    completed: dict[str, Any] = {
        # The name of a data set stands for its newest problem: the job keeps which one that was.
        "problem": get_problem(request.problem).name if request.problem else "",
        "tasks": names,
        "definitions": definitions_of(request),
        "sizes": sizes,
        "n_splits": _n_splits(request),
        "name": request.name.strip(),
        "max_group_size": max_group_size,
        "budgets_snt": budgets,
        "constraints": _constraints(request),
        **_stated_resources(request),
    }
    for choice in CHOICES:
        chosen = getattr(request, choice)
        completed |= {choice: chosen.name, f"{choice}_parameters": chosen.parameters}
    completed["trainer_parameters"] = parameters
    if request.trainer.name == DEFAULT_TRAINER:
        completed["epochs"] = None  # they stand in the recipe
    spec = from_plain(JobSpec, request.model_dump(exclude={"tasks", "results"}) | completed)
    weighted = tuple(task.with_weight(request.weights.get(task.name, task.weight)) for task in tasks)
    return spec, weighted


def _n_splits(request: JobRequest) -> int:
    """Return the number of splits of a job, those of its problem unless it says how many.

    Raises:
        InvalidInputError: if its trainer or its problem has not as many.
    """
    makes_splits = get_trainer(request.trainer.name).makes_splits and request.problem
    wanted: int | None = request.n_splits
    if not makes_splits:
        if (wanted or 1) > 1:
            raise InvalidInputError(
                f"The trainer {request.trainer.name!r} divides its data itself, and knows one split.",
                pointer="/n_splits",
            )
        return 1
    problem = get_problem(request.problem or "")
    if wanted is None:
        return problem.n_splits if request.n_confirmation_seeds else 1
    if wanted > problem.most_splits:
        reason = (
            "a split of a table that is random, stratified or by group has others of its kind, and one by "
            "time may have folds"
            if problem.most_splits == 1
            else "there are as many as folds"
        )
        raise InvalidInputError(
            f"The problem {problem.name!r} has {problem.most_splits} split"
            f"{'' if problem.most_splits == 1 else 's'}, and {wanted} are asked for: {reason}.",
            pointer="/n_splits",
        )
    return wanted


def _constraints(request: JobRequest) -> Constraints:
    with pointing_below("/constraints"):
        constraints: Constraints = request.constraints.to_domain()
        return constraints


def _stated_resources(request: JobRequest) -> Mapping[str, Any]:
    with pointing_below("/resources"):
        common = from_plain(StatedResources, request.resources.model_dump())
    by_size = {}
    for size, stated in request.resources_of.items():
        with pointing_below(f"/resources_of/{pointer_part(size)}"):
            by_size[size] = from_plain(StatedResources, stated.model_dump())
    return {"resources": common, "resources_of": by_size}


def check_trainer(request: JobRequest, strategy: Strategy) -> None:
    """Refuse a trainer that does not exist or cannot run the requested job.

    Raises:
        UnknownNameError: if there is no trainer of that name.
        InvalidInputError: if it refuses its parameters, or cannot measure what the strategy needs.
    """
    name = request.trainer.name
    trainer = get_trainer(name, request.trainer.parameters)
    if request.tune is Tune.EACH and not trainer.tunes:
        raise InvalidInputError(
            f"The trainer {name!r} draws no recipes, so nothing can be tuned for the verdict: tune none.",
            pointer="/tune",
        )
    if trainer.needs_problem and (request.defined or request.sizes):
        what = "defines its tasks" if request.defined else "names its sizes"
        raise InvalidInputError(
            f"The trainer {name!r} trains on installed problems, at any size; a job that {what} needs a "
            "trainer of your own, which knows what to train for them. Name it as trainer.",
            pointer="/trainer/name",
        )
    if not can_train(trainer.measures_affinities, strategy):
        able = ", ".join(info.name for info in list_trainers() if info.measures_affinities)
        raise InvalidInputError(
            f"The strategy {strategy.name!r} needs affinities that are measured in training, and the trainer "
            f"{name!r} measures none. Trainers that do: {able}.",
            pointer="/trainer/name",
        )


def can_train(measures_affinities: bool, strategy: Strategy) -> bool:
    """Tell whether a trainer gives a strategy the affinities that it needs, if any."""
    return measures_affinities or not getattr(strategy, "needs_affinities", False)


def whole_budgets(cover_snt: float, n_tasks: int) -> tuple[float, ...]:
    """Return whole budgets from the cheapest that covers every task, at most to one network per task.

    Unlike a budget of a curve, which takes half steps, each of these makes a job train more: with it the
    recommended networks and the baselines, one per task among them, are confirmed. So they are few.
    """
    first = math.ceil(cover_snt - 1e-9)
    return tuple(float(budget) for budget in range(first, max(first, n_tasks) + 1))[:N_DEFAULT_BUDGETS]


def nominal_cover(n_tasks: int, max_group_size: int, single_sizes: Sequence[float]) -> float:
    """Return the nominal cost in SNT of the cheapest candidates that cover every task.

    All groups up to a size are candidates, and all full-size networks cost the same. So the cheapest cover
    is some number of the largest groups, and single tasks at the smallest size for what is left: no
    programme needs to be solved, however many candidates there are.
    """
    single = min((1.0, *single_sizes))
    if max_group_size == 1:
        return n_tasks * single
    return min(
        n_groups + max(0, n_tasks - n_groups * max_group_size) * single
        for n_groups in range(math.ceil(n_tasks / max_group_size) + 1)
    )


def _refuse_too_many(names: Sequence[str], max_group_size: int, single_sizes: Sequence[float]) -> None:
    n_sizes = len({size for size in single_sizes if size != 1})
    count = count_candidates(len(names), max_group_size, n_sizes)
    if count <= CANDIDATE_LIMIT:
        return
    sizes = range(1, max_group_size)
    fitting = [k for k in sizes if count_candidates(len(names), k, n_sizes) <= CANDIDATE_LIMIT]
    advice = "Choose fewer tasks"
    if fitting:
        smaller = count_candidates(len(names), fitting[-1], n_sizes)
        advice = f"The largest that fits is max_group_size {fitting[-1]}, with {smaller:,} networks"
    generating = [info.name for info in list_strategies() if not info.lists_candidates]
    if generating:
        advice += f"; or choose a strategy that generates its candidates: {', '.join(generating)}"
    raise TooManyCandidatesError(
        f"{len(names)} tasks in groups of up to {max_group_size} make {count:,} candidate networks; at most "
        f"{CANDIDATE_LIMIT:,} are accepted. {advice}.",
        n_networks=count,
        limit=CANDIDATE_LIMIT,
        pointer="/max_group_size",
    )


def _completed_parameters(request: JobRequest, tasks: tuple[Task, ...], largest: int) -> Mapping[str, Any]:
    """Return the trainer's parameters for the job, with those that stand in the request beside its name."""
    name, given = request.trainer.name, dict(request.trainer.parameters)
    known = declared(BuiltInParameters)
    dumped = request.model_dump(include=set(known), exclude_none=True)
    beside = {field: value for field, value in dumped.items() if value not in ({}, known[field].default)}
    for field, value in beside.items():
        if name != DEFAULT_TRAINER:
            raise InvalidInputError(
                f"This is a parameter of the trainer {DEFAULT_TRAINER!r}; those of {name!r} are given as "
                "trainer.parameters.",
                pointer=f"/{field}",
            )
        within = given.get(field)
        given[field] = {**within, **value} if isinstance(within, Mapping) else value
    if request.epochs is not None:
        given |= _parameters_with_epochs(request, given)
    try:
        return get_trainer(name).complete(TrainerRequest(request.problem or "", tasks, largest, given))
    except InvalidInputError as error:
        first = error.pointer.split("/")[1:2]
        if not first or (first[0] in request.trainer.parameters and first[0] not in beside):
            error.pointer = f"/trainer/parameters{error.pointer}"
        raise


def _parameters_with_epochs(request: JobRequest, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameter of the trainer that is the epochs of the job, if it has one.

    With the built-in trainer these are the epochs of the recipe.
    """
    epochs, name = request.epochs, request.trainer.name
    if name == DEFAULT_TRAINER:
        if request.recipe.epochs not in (None, epochs):
            raise _given_twice(epochs, request.recipe.epochs, "recipe.epochs")
        return {"recipe": {**given.get("recipe", {}), "epochs": epochs}}
    own = get_trainer(name).parameters
    if own is None or "epochs" not in {field.name for field in fields(own)}:
        return {}
    if request.trainer.parameters.get("epochs", epochs) != epochs:
        raise _given_twice(epochs, request.trainer.parameters["epochs"], "trainer.parameters.epochs")
    return {"epochs": epochs}


def _given_twice(epochs: int, other: int, where: str) -> InvalidInputError:
    return InvalidInputError(
        f"The epochs of a full training are {epochs} here and {other} as {where}: give them once.",
        pointer="/epochs",
    )
