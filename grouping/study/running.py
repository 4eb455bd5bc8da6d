"""Execution of a study: every training of its plan, in processes of one torch thread each."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from grouping.domain.datasets import Dataset
from grouping.domain.networks import Network
from grouping.domain.recipes import Recipe
from grouping.domain.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, TrainingError
from grouping.problems.problem import DATA_SEED, Problem
from grouping.problems.registry import get_problem
from grouping.recipes import check_named_tasks, complete
from grouping.study.analysis import StudyScore
from grouping.study.plan import PlannedTraining, StudyOptions, plan_study, recipe_for, size_alone
from grouping.study.reporting import StudyRun
from grouping.trainers import TrainingWorker, WorkerContext
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.loop import Training
from grouping.training.worker import WorkerMaker


@dataclass(frozen=True, slots=True)
class _Work:
    """Trainings that share their data and their recipe."""

    problem: str
    recipe: Recipe
    share: float
    trainings: tuple[PlannedTraining, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    scores: tuple[StudyScore, ...]
    n_trainings: int
    n_diverged: int
    n_epochs: int


def run_study(
    problem_name: str,
    recipe: Recipe,
    options: StudyOptions,
    *,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> StudyRun:
    """Train everything a study needs.

    Args:
        problem_name: a registered problem.
        recipe: recipe of the networks.
        options: extent of the study.
        processes: trainings at a time.
        on_progress: called with the number of finished trainings and of all trainings.

    Raises:
        UnknownNameError: if there is no such problem, or the recipe names what does not exist.
        InvalidInputError: if the recipe, the sizes or the shares do not suit the problem.
        TrainingError: if a training could not be carried out.
    """
    problem = get_problem(problem_name)
    names = tuple(task.name for task in problem.tasks)
    recipe = complete(recipe)
    check_named_tasks(recipe, names)
    plan = plan_study(names, options)
    dataset = problem.load(DATA_SEED)
    works = _divide(problem_name, recipe, plan)
    for share in {work.share for work in works}:
        subset(dataset, share).check_tasks(problem.tasks)
    alone, together = _costs(problem, recipe, dataset, plan)
    # Built once to be refused here, and not after minutes, if the recipe does not suit the largest group.
    Training(TrainingData.from_dataset(dataset, problem.tasks), TrialRequest(Network.of(*names), 0), recipe)
    started = time.perf_counter()
    finished: list[_Done] = []
    n_finished = 0
    for done in _carry_out(works, processes):
        finished.append(done)
        n_finished += done.n_trainings
        if on_progress is not None:
            on_progress(n_finished, len(plan))
    return StudyRun(
        problem=problem_name,
        tasks=names,
        recipe=recipe,
        options=options,
        scores=tuple(score for done in finished for score in done.scores),
        cost_alone_snt=alone,
        cost_together_snt=together,
        n_trainings=len(plan),
        n_diverged=sum(done.n_diverged for done in finished),
        n_epochs=sum(done.n_epochs for done in finished),
        seconds=time.perf_counter() - started,
        data_digest=dataset.digest(),
        versions=_versions(),
    )


def subset(dataset: Dataset, share: float) -> Dataset:
    """Keep a share of the training rows; a smaller share is a part of a larger one.

    Validation and test rows stay. The rows are drawn once, the same for every seed of the trainings.
    """
    if share == 1:
        return dataset
    order = np.random.default_rng(DATA_SEED).permutation(dataset.train)
    return replace(dataset, train=np.sort(order[: max(1, round(share * len(order)))]))


def _carry_out(works: Sequence[_Work], processes: int) -> Iterator[_Done]:
    """Carry out works one after another here, or in other processes, each with one torch thread."""
    if processes == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(_train, works)
        finally:
            torch.set_num_threads(threads)
            _workers.clear()
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap_unordered(_train, works)


def _divide(problem: str, recipe: Recipe, plan: Sequence[PlannedTraining]) -> list[_Work]:
    """Divide the plan into trainings that may be carried out as one, long ones first."""
    kinds: dict[tuple[float, str | None, int, float], list[PlannedTraining]] = {}
    for one in plan:
        kinds.setdefault((one.share, one.source, one.seed, one.network.size), []).append(one)
    works = [
        _Work(problem, recipe_for(recipe, share, source), share, tuple(trainings))
        for (share, source, _, _), trainings in kinds.items()
    ]
    return sorted(works, key=lambda work: -work.recipe.epochs * work.share * len(work.trainings))


_workers: dict[tuple[str, float, str], TrainingWorker] = {}


def _worker_of(work: _Work) -> TrainingWorker:
    """Return the trainer's worker for a recipe and a share of the rows, kept for the next such work."""
    key = (work.problem, work.share, str(work.recipe))
    if key not in _workers:
        problem = get_problem(work.problem)
        dataset = subset(problem.load(DATA_SEED), work.share)
        maker = WorkerMaker(f"{dataset.digest()} {work.share}", problem.tasks, work.recipe)
        _workers[key] = maker(dataset, WorkerContext())
    return _workers[key]


def _train(work: _Work) -> _Done:
    scores: list[StudyScore] = []
    n_diverged = n_epochs = 0
    requests = [TrialRequest(training.network, training.seed) for training in work.trainings]
    outcomes = _worker_of(work).train(requests)
    for training, outcome in zip(work.trainings, outcomes, strict=True):
        n_epochs += outcome.epochs
        if outcome.state is TrialState.DIVERGED:
            n_diverged += 1
        elif outcome.state is not TrialState.SUCCEEDED:
            raise TrainingError(f"The training of {training.network} failed: {outcome.error}")
        tested = ((score.task, score.test_loss) for score in outcome.scores)
        scores += [StudyScore(training, task, loss) for task, loss in tested if loss is not None]
    return _Done(tuple(scores), len(work.trainings), n_diverged, n_epochs)


def _costs(
    problem: Problem, recipe: Recipe, dataset: Dataset, plan: Sequence[PlannedTraining]
) -> tuple[float, float]:
    """Measure the cost of all small networks of one task, and of the one of all; refuse impossible sizes."""
    names = [task.name for task in problem.tasks]
    small = [Network.of(name, size=size_alone(len(names))) for name in names]
    every = list(dict.fromkeys([*small, Network.of(*names), *(training.network for training in plan)]))
    n_features = dataset.inputs.shape[1]
    try:
        costs = dict(zip(every, measure_costs(n_features, problem.tasks, every, recipe), strict=True))
    except InvalidInputError as error:
        raise InvalidInputError(f"The study cannot build one of its networks: {error}") from error
    return sum(costs[network].cost_snt for network in small), costs[Network.of(*names)].cost_snt


def _versions() -> dict[str, str]:
    packages = ("torch", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in packages
    }
