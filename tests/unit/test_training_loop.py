from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, TrainingError
from grouping.training.data import Rows, TrainingData, best_device
from grouping.training.loop import Training, train_network

TASKS = (
    Task.multiclass("class", 3),
    Task.binary("sign"),
    Task.regression("sum"),
    Task.dense_map("map", 4),
)
RECIPE = Recipe(hidden=(16, 16), epochs=10, batch_size=32, learning_rate=0.01)
ALL = Network.of(*(task.name for task in TASKS))


def make_dataset(seed: int = 0, rows: int = 500) -> Dataset:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(rows, 6)).astype(np.float32)
    score = inputs @ generator.normal(size=6)
    targets: dict[str, NDArray[Any]] = {
        "class": np.digitize(score, np.quantile(score, [0.3, 0.7])).astype(np.int64),
        "sign": (inputs[:, 0] * inputs[:, 1] + inputs[:, 2] > 0).astype(np.float32),
        "sum": (100.0 + 50.0 * inputs[:, :1] ** 2 + 50.0 * inputs[:, 1:2]).astype(np.float32),
        "map": np.tanh(inputs @ generator.normal(size=(6, 4))).astype(np.float32),
    }
    order = generator.permutation(rows).astype(np.int64)
    train, validation, test = np.split(order, [rows // 2, 3 * rows // 4])
    return Dataset(inputs, targets, train, validation, test)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(), TASKS)


def test_a_network_beats_the_constant_prediction_on_every_task(data: TrainingData) -> None:
    outcome = train_network(data, TrialRequest(ALL, seed=0), replace(RECIPE, epochs=40))
    assert outcome.state is TrialState.SUCCEEDED
    assert [score.task for score in outcome.scores] == [task.name for task in TASKS]
    for score in outcome.scores:
        assert score.test_loss is not None
        assert score.validation_metric is not None
        assert score.test_metric is not None
        assert max(score.validation_loss, score.test_loss) < 0.8
        assert min(score.validation_metric, score.test_metric) > 0.3
    assert outcome.epochs == 40
    assert outcome.seconds > 0


def test_equal_requests_give_equal_floats_and_another_seed_others(data: TrainingData) -> None:
    first, again, other = (train_network(data, TrialRequest(ALL, seed=s), RECIPE) for s in (1, 1, 2))
    assert first.scores == again.scores
    assert first.scores != other.scores


def test_scores_do_not_depend_on_the_global_generator(data: TrainingData) -> None:
    first = train_network(data, TrialRequest(ALL, seed=1), RECIPE)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert train_network(data, TrialRequest(ALL, seed=1), RECIPE).scores == first.scores


def test_scores_come_in_the_order_of_the_problem_and_not_of_the_group(data: TrainingData) -> None:
    outcome = train_network(data, TrialRequest(Network.of("sum", "class"), seed=0, fidelity=0.1), RECIPE)
    assert [score.task for score in outcome.scores] == ["class", "sum"]


def test_the_rows_come_in_an_order_that_depends_on_the_seed_alone(data: TrainingData) -> None:
    seen: list[torch.Tensor] = []

    def rows_of(network: Network, seed: int) -> list[torch.Tensor]:
        training = Training(data, TrialRequest(network, seed), RECIPE)
        training.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
        return [torch.cat(run_epoch_and_take(training)) for _ in range(2)]

    def run_epoch_and_take(training: Training) -> list[torch.Tensor]:
        seen.clear()
        training.run_epoch()
        return list(seen)

    alone, half = rows_of(Network.of("sum"), 0), rows_of(Network.of("sum", size=0.5), 0)
    together, other_seed = rows_of(ALL, 0), rows_of(ALL, 1)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(alone, half, together, strict=True))
    assert not torch.equal(together[0], other_seed[0])
    assert not torch.equal(together[0], together[1])
    assert sorted(together[0].sum(dim=1).tolist()) == sorted(data.train.inputs[:].sum(dim=1).tolist())


def test_a_short_pass_is_the_start_of_the_full_training(data: TrainingData) -> None:
    request = TrialRequest(ALL, seed=3)
    full = Training(data, request, RECIPE)
    losses = [full.run_epoch() for _ in range(2)]
    early: list[float] = []
    outcome = train_network(
        data, replace(request, fidelity=0.2), RECIPE, on_epoch=lambda _, loss: early.append(loss)
    )
    assert early == losses
    assert outcome.epochs == 2
    assert outcome.scores == full.evaluate().scores()


def test_the_learning_rate_falls_to_zero_along_a_cosine(data: TrainingData) -> None:
    training = Training(data, TrialRequest(ALL, seed=0), RECIPE)
    rates = [training._learning_rate(epoch) for epoch in (0, 2.5, 5, 10)]
    assert rates == pytest.approx([0.01, 0.005 * (1 + math.sqrt(0.5)), 0.005, 0.0])


@pytest.mark.parametrize("stop_after", [0, 1, 4, 10])
def test_continuing_from_a_saved_state_gives_the_same_floats_as_never_stopping(
    data: TrainingData, stop_after: int
) -> None:
    request = TrialRequest(ALL, seed=5)
    uninterrupted = train_network(data, request, RECIPE)
    first = Training(data, request, RECIPE)
    for _ in range(stop_after):
        first.run_epoch()
    state = first.state_dict()
    if not first.is_finished:
        first.run_epoch()  # must not reach into the state that was taken before
    second = Training(data, request, RECIPE)
    second.run_epoch()  # what it has learnt so far is forgotten
    second.load_state_dict(state)
    assert second.epoch == stop_after
    while not second.is_finished:
        second.run_epoch()
    assert second.evaluate().scores() == uninterrupted.scores


def test_a_state_is_plain_tensors(data: TrainingData) -> None:
    training = Training(data, TrialRequest(ALL, seed=0), RECIPE)
    training.run_epoch()
    state = training.state_dict()
    assert all(type(value) is torch.Tensor for value in state.values())
    assert len([name for name in state if name.startswith("optimiser.exp_avg.")]) == 4 + 2 * len(TASKS)


def test_a_state_of_another_architecture_is_refused(data: TrainingData) -> None:
    state = Training(data, TrialRequest(Network.of("sum"), seed=0), RECIPE).state_dict()
    for other in (ALL, Network.of("sum", size=0.5)):
        with pytest.raises(TrainingError, match="another architecture"):
            Training(data, TrialRequest(other, seed=0), RECIPE).load_state_dict(state)


def test_a_finished_training_runs_no_further_epoch(data: TrainingData) -> None:
    training = Training(data, TrialRequest(ALL, seed=0, fidelity=0.1), RECIPE)
    training.run_epoch()
    assert training.is_finished
    with pytest.raises(TrainingError, match="carried out"):
        training.run_epoch()


def test_an_exploding_training_is_a_result(data: TrainingData) -> None:
    outcome = train_network(data, TrialRequest(ALL, seed=0), replace(RECIPE, learning_rate=1e30))
    assert outcome.state is TrialState.DIVERGED
    assert outcome.scores == ()
    assert outcome.epochs == 1
    assert "lower the learning rate" in (outcome.error or "")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_an_infinite_target_value_makes_the_training_diverge(data: TrainingData, part: str) -> None:
    rows: Rows = getattr(data, part)
    broken = rows.targets["sum"].clone()
    broken[0] = math.inf
    holed = Rows(rows.inputs, {**rows.targets, "sum": broken})
    parts: dict[str, Any] = {part: holed}
    outcome = train_network(replace(data, **parts), TrialRequest(ALL, 0, fidelity=0.1), RECIPE)
    assert outcome.state is TrialState.DIVERGED
    assert ("training" if part == "train" else "validation or test") in (outcome.error or "")


def test_a_training_stops_before_the_next_epoch_when_asked_to(data: TrainingData) -> None:
    epochs: list[int] = []
    outcome = train_network(
        data,
        TrialRequest(ALL, seed=0),
        RECIPE,
        should_stop=lambda: len(epochs) == 3,
        on_epoch=lambda epoch, _: epochs.append(epoch),
    )
    assert epochs == [1, 2, 3]
    assert outcome.state is TrialState.FAILED
    assert outcome.epochs == 3
    assert "3 of 10 epochs" in (outcome.error or "")


def test_a_task_that_the_data_does_not_have_is_refused(data: TrainingData) -> None:
    with pytest.raises(TrainingError, match="depth"):
        train_network(data, TrialRequest(Network.of("depth", "sum"), seed=0), RECIPE)


def test_a_data_set_without_a_target_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="depth"):
        TrainingData.from_dataset(make_dataset(), (*TASKS, Task.regression("depth")))


def test_read_only_arrays_are_copied_without_a_warning() -> None:
    dataset = make_dataset()
    arrays: list[NDArray[Any]] = [dataset.inputs, dataset.train, *dataset.targets.values()]
    for array in arrays:
        array.flags.writeable = False
    data = TrainingData.from_dataset(dataset, TASKS)
    before = dataset.digest()
    for rows in (data.train, data.validation, data.test):
        for tensor in (rows.inputs[:], *rows.targets.values()):
            tensor.zero_()
    assert dataset.digest() == before


def test_normalisation_sees_the_training_rows_only() -> None:
    dataset = make_dataset()
    sums = dataset.targets["sum"].copy()
    sums[dataset.validation] *= 1e6
    changed = replace(dataset, targets={**dataset.targets, "sum": sums})
    before, after = (TrainingData.from_dataset(d, TASKS).normalisations["sum"] for d in (dataset, changed))
    assert before.constant_loss == after.constant_loss
    assert np.array_equal(before.constants.center, after.constants.center)


def test_training_on_the_best_device_agrees_with_the_processor(data: TrainingData) -> None:
    elsewhere = TrainingData.from_dataset(make_dataset(), TASKS, best_device())
    here, there = (train_network(d, TrialRequest(ALL, 0, 0.2), RECIPE) for d in (data, elsewhere))
    for score, other in zip(here.scores, there.scores, strict=True):
        assert other.validation_loss == pytest.approx(score.validation_loss, rel=1e-2)
