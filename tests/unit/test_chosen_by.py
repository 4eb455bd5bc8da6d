"""Tasks of which networks are chosen by their metric."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import ChosenBy, Task
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json
from grouping.recipes import named_metric
from grouping.store.codec import task_from_json
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

DATASET = make_dataset(rows=200)
METRICS = {"class": "accuracy", "sign": "roc_auc", "sum": "mae", "map": "r2"}
CHOSEN = tuple(replace(task, metric=named_metric(METRICS[task.name])).by_metric() for task in TASKS)
RECIPE = Recipe(hidden=(8,), epochs=3)
ALL = TrialRequest(Network.of(*METRICS), 0)


def test_score_tables_hold_the_metric_and_the_training_is_the_same() -> None:
    plain = [replace(task, chosen_by=ChosenBy.LOSS) for task in CHOSEN]
    (one,) = train_networks(TrainingData.from_dataset(DATASET, CHOSEN), [ALL], RECIPE)
    (two,) = train_networks(TrainingData.from_dataset(DATASET, plain), [ALL], RECIPE)
    for task, score, other in zip(CHOSEN, one.scores, two.scores, strict=True):
        assert score.validation_metric == other.validation_metric
        assert score.test_metric == other.test_metric
        assert score.validation_metric is not None
        assert score.validation_loss == task.loss_of(score.validation_metric)
        assert score.validation_loss != other.validation_loss
        assert task.value_of(score.validation_loss) == pytest.approx(score.validation_metric)
    by_name = {score.task: score for score in one.scores}
    assert by_name["sum"].validation_loss == by_name["sum"].validation_metric
    assert by_name["sign"].validation_loss == 1 - (by_name["sign"].validation_metric or 0)


def test_it_is_kept_wherever_tasks_are_written() -> None:
    assert tasks_from_json(tasks_to_json(CHOSEN), "/tasks") == CHOSEN
    assert tuple(task_from_json(task.as_mapping()) for task in CHOSEN) == CHOSEN
    assert "chosen_by" not in TASKS[0].as_mapping()


def test_a_task_without_a_metric_cannot_be_chosen_by_it() -> None:
    with pytest.raises(InvalidInputError, match="names none"):
        Task("t", chosen_by=ChosenBy.METRIC)
