"""Scores of studies made from formulas, without any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.study.analysis import StudyScore
from grouping.study.plan import PlannedTraining, StudyOptions, plan_study
from grouping.study.records import StudyFinding, StudyReport
from grouping.study.reporting import StudyRun, make_report
from tests.recipes import by

TASKS = ("depth", "normals", "edges", "scene")
OPTIONS = StudyOptions(n_seeds=3, sizes=(0.5, 1.0), shares=(0.5, 1.0))

LossOf = Callable[[PlannedTraining, str], float]


def scores_by(
    loss_of: LossOf, tasks: Sequence[str] = TASKS, options: StudyOptions = OPTIONS
) -> list[StudyScore]:
    """A score for every task of every training of a study."""
    return [
        StudyScore(training, task, loss_of(training, task))
        for training in plan_study(tasks, options)
        for task in sorted(training.network.group)
    ]


def run_of(
    scores: Sequence[StudyScore], tasks: Sequence[str] = TASKS, options: StudyOptions = OPTIONS
) -> StudyRun:
    """What a run with these scores would have been."""
    return StudyRun(
        problem="digits",
        tasks=tuple(tasks),
        trainer=Method(DEFAULT_TRAINER, by(Recipe())),
        options=options,
        scores=scores,
        cost_alone_snt=0.98,
        cost_together_snt=1.0,
        n_trainings=len(plan_study(tasks, options)),
        n_diverged=0,
        n_epochs=1000,
        seconds=12.5,
        data_digest="0" * 64,
        versions={"torch": "2.13.0"},
    )


def noisy_loss(effect_of: Callable[[str, str], float], noise: float = 0.001) -> LossOf:
    """Loss 1 alone, changed by the effects of partners; transfer helps by a tenth of it; noise by seed."""

    def loss_of(training: PlannedTraining, task: str) -> float:
        others = sorted(training.network.group - {task})
        factor = 0.1 if training.source is not None else 1.0
        effect = factor * sum(effect_of(other, task) for other in others)
        name = (
            f"{sorted(training.network.group)}{training.network.size}{task}{training.source}{training.share}"
        )
        drawn = np.random.default_rng([training.seed, *name.encode()]).normal()
        return float(1.0 - effect + noise * drawn)

    return loss_of


def effect_by_name(source: str, target: str) -> float:
    """Some effect of every ordered pair: from -10 to +10 percent."""
    return float(np.random.default_rng([*source.encode(), 0, *target.encode()]).uniform(-0.1, 0.1))


def example_report(tasks: Sequence[str] = TASKS, left_out: Sequence[str] = ()) -> StudyReport:
    """A report of made-up scores, without an answer to some questions."""
    reasons = tuple(StudyFinding(question, f"The trainer cannot answer {question}.") for question in left_out)
    shares = (1.0,) if "data" in left_out else OPTIONS.shares
    options = replace(OPTIONS, shares=shares, has_transfers="transfer" not in left_out)
    run = run_of(scores_by(noisy_loss(effect_by_name), tasks, options), tasks, options)
    return make_report(replace(run, left_out=reasons))
