"""Values that a trainer reports for tasks which a job defines, turned into losses.

Such a task is known by its metric only. A trainer gives the value of that metric where it would give a
loss, and the value is kept as the metric of the trial. The loss, lower is better, is the value itself where
lower is better; else how far the value is below that of a perfect prediction (`Task.best`), so that an
accuracy becomes an error rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TaskScore, TrialOutcome


def with_losses(outcome: TrialOutcome, tasks: Iterable[Task]) -> TrialOutcome:
    """Return an outcome as the score table has it: with losses for the tasks whose values were reported."""
    reported = {task.name: task for task in tasks if task.is_reported}
    if not reported or not outcome.scores:
        return outcome
    scores = tuple(
        _turned(score, reported[score.task]) if score.task in reported else score for score in outcome.scores
    )
    return replace(outcome, scores=scores)


def _turned(score: TaskScore, task: Task) -> TaskScore:
    value, tested = score.validation_loss, score.test_loss
    return TaskScore(
        score.task,
        validation_loss=task.loss_of(value),
        test_loss=None if tested is None else task.loss_of(tested),
        validation_metric=value,
        test_metric=tested,
    )
