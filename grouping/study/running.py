"""Execution of a study: every training of its plan, by any trainer, in processes of this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import TaskScore, TrialRequest, TrialState
from grouping.problems.registry import get_problem
from grouping.search.executors import processes_or_this_one
from grouping.search.fixed_plan import train_all
from grouping.study.analysis import StudyScore
from grouping.study.plan import PlannedTraining, StudyOptions, plan_study
from grouping.study.preparation import StudyTrainer
from grouping.study.records import Losses, StudyFinding
from grouping.study.reporting import StudyRun


@dataclass(frozen=True, slots=True)
class StudyPrice:
    """What a study would train.

    Attributes:
        problem: name of the problem.
        n_trainings: number of trainings.
        n_epochs: epochs of all of them, on shares of the rows too, unless trainings stop early.
        left_out: questions that the trainer cannot answer, with the reason.
    """

    problem: str
    n_trainings: int
    n_epochs: float
    left_out: tuple[StudyFinding, ...]


def run_study(
    problem_name: str,
    options: StudyOptions,
    *,
    trainer: str = DEFAULT_TRAINER,
    parameters: Mapping[str, Any] | None = None,
    processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> StudyRun:
    """Train everything a study needs.

    Args:
        problem_name: a registered problem.
        options: extent of the study; questions that the trainer cannot answer are left out.
        trainer: name of the trainer.
        parameters: parameters of the trainer; those left out are its own or those of the problem.
        processes: stacks of networks that are trained at the same time.
        on_progress: called with the number of finished trainings and of all trainings.

    Raises:
        UnknownNameError: if there is no such problem or trainer, or a parameter names what does not exist.
        InvalidInputError: if the parameters, the sizes or the shares do not suit the problem.
        TrainingError: if a training could not be carried out.
    """
    problem = get_problem(problem_name)
    names = tuple(task.name for task in problem.tasks)
    prepared = StudyTrainer(problem, trainer, parameters or {})
    options, left_out = prepared.answerable(options)
    plan = plan_study(names, options)
    alone, together = prepared.costs_snt(plan)
    variants = prepared.variants(plan)
    started = time.perf_counter()
    scored: list[tuple[PlannedTraining, TaskScore]] = []
    n_finished = n_diverged = n_epochs = 0
    with processes_or_this_one(processes) as executor:
        for variant, trainings in variants:
            planned = {TrialRequest(one.network, one.seed): one for one in trainings}
            for request, outcome in train_all(variant, planned, executor):
                scored += [(planned[request], score) for score in outcome.scores]
                n_diverged += outcome.state is TrialState.DIVERGED
                n_epochs += outcome.epochs
                n_finished += 1
                if on_progress is not None:
                    on_progress(n_finished, len(plan))
    losses, scores = _compared(scored)
    return StudyRun(
        problem=problem_name,
        tasks=names,
        trainer=Method(trainer, prepared.parameters),
        options=options,
        scores=scores,
        cost_alone_snt=alone,
        cost_together_snt=together,
        n_trainings=len(plan),
        n_diverged=n_diverged,
        n_epochs=n_epochs,
        seconds=time.perf_counter() - started,
        data_digest=prepared.base.prepared.fingerprint,
        versions={**_versions(), **prepared.base.trainer.environment()},
        losses=losses,
        left_out=left_out,
    )


def price_study(
    problem_name: str,
    options: StudyOptions,
    *,
    trainer: str = DEFAULT_TRAINER,
    parameters: Mapping[str, Any] | None = None,
) -> StudyPrice:
    """Tell what `run_study` would train, with the same arguments and errors; nothing is trained.

    A trainer that has to try something before it is prepared, such as a learning rate, does so.
    """
    problem = get_problem(problem_name)
    names = tuple(task.name for task in problem.tasks)
    prepared = StudyTrainer(problem, trainer, parameters or {})
    options, left_out = prepared.answerable(options)
    plan = plan_study(names, options)
    prepared.costs_snt(plan)  # refuses networks that cannot be built
    n_epochs = sum(
        variant.planner.epochs_of(len(one.network.group), 1.0)
        for variant, trainings in prepared.variants(plan)
        for one in trainings
    )
    return StudyPrice(problem_name, len(plan), n_epochs, left_out)


def _compared(scored: Sequence[tuple[PlannedTraining, TaskScore]]) -> tuple[Losses, list[StudyScore]]:
    """Take the test losses; validation losses if there are no test losses at all."""
    tested = [(one, score.task, score.test_loss) for one, score in scored if score.test_loss is not None]
    if tested:
        return "test", [StudyScore(*each) for each in tested]
    return "validation", [StudyScore(one, score.task, score.validation_loss) for one, score in scored]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in ("numpy", "scipy")}
