from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.recipes import list_methods
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_schedule
from grouping.training.schedules.division import divide_epochs, ordered
from grouping.training.schedules.schedule import Phase
from tests.effort import examples
from tests.unit.test_training_loop import TASKS, make_dataset

ALL = Network.of(*(task.name for task in TASKS))
PAIR = Network.of("sign", "sum")
BASE = Recipe(hidden=(6, 6), epochs=9, batch_size=64, learning_rate=0.02, weight_decay=0.1)
CONTINUAL = Method("continual")
SEQUENTIAL = Method("sequential")
GRADUAL = Method("fine-tuning", {"source_task": "sign", "frozen": 1, "gradual": True, "rate_factor": 0.5})
SCHEDULES = (CONTINUAL, SEQUENTIAL, Method("fine-tuning"), GRADUAL)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=200), TASKS)


def recipe_of(schedule: Method, **changes: Any) -> Recipe:
    return replace(BASE, schedule=schedule, **changes)


def phases_of(schedule: Method, tasks: str, n_epochs: int = 12, n_depths: int = 3) -> tuple[Phase, ...]:
    return build_schedule(recipe_of(schedule)).phases(tuple(tasks), n_epochs, n_depths)


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.network.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def run_epochs(training: Training, count: int) -> Training:
    for _ in range(count):
        training.run_epoch()
    return training


@given(
    n_epochs=st.integers(1, 300),
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=12),
)
def test_divided_epochs_are_whole_positive_and_sum_to_the_whole(n_epochs: int, weights: list[float]) -> None:
    if n_epochs < len(weights):
        with pytest.raises(InvalidInputError, match=f"at least {len(weights)}") as refused:
            divide_epochs(n_epochs, weights, "continual")
        assert refused.value.pointer == "/epochs"
        return
    counts = divide_epochs(n_epochs, weights, "continual")
    assert sum(counts) == n_epochs
    assert min(counts) >= 1
    total = sum(weights)
    if all(n_epochs * weight / total >= 1 for weight in weights):
        assert all(abs(n - n_epochs * w / total) < 1 for n, w in zip(counts, weights, strict=True))
    for i, first in enumerate(weights):
        for j, second in enumerate(weights):
            assert first <= second or counts[i] >= counts[j] or abs(counts[i] - counts[j]) <= 1


@settings(max_examples=examples(60))
@given(
    schedule=st.sampled_from(SCHEDULES),
    n_tasks=st.integers(1, 5),
    n_epochs=st.integers(8, 60),
    n_depths=st.integers(2, 4),
)
def test_the_phases_of_every_schedule_sum_to_the_epochs_and_train_every_task(
    schedule: Method, n_tasks: int, n_epochs: int, n_depths: int
) -> None:
    tasks = ("sign", "b", "c", "d", "e")[:n_tasks]
    phases = build_schedule(recipe_of(schedule)).phases(tasks, n_epochs, n_depths)
    assert sum(phase.epochs for phase in phases) == n_epochs
    assert {task for phase in phases for task in phase.tasks} == set(tasks)
    for phase in phases:
        assert list(phase.tasks) == [task for task in tasks if task in phase.tasks]
        assert len(phase.rates) in (0, n_depths)


def test_tasks_named_in_the_order_come_first_and_strangers_are_passed_over() -> None:
    assert ordered("abcd", ["d", "x", "b", "d"]) == ("d", "b", "a", "c")
    assert ordered("abcd", []) == tuple("abcd")


def test_continual_training_has_a_phase_per_task_as_long_as_its_weight_says() -> None:
    schedule = Method("continual", {"order": ["c"], "epoch_weights": {"b": 2}})
    assert phases_of(schedule, "abc") == (Phase(3, ("c",)), Phase(3, ("a",)), Phase(6, ("b",)))


def test_sequential_training_adds_a_task_at_a_time_and_ends_with_all() -> None:
    phases = phases_of(Method("sequential", {"order": ["c"], "last_share": 0.5}), "abc")
    assert phases == (Phase(3, ("c",)), Phase(3, ("a", "c")), Phase(6, ("a", "b", "c")))
    for earlier, later in pairwise(phases):
        assert set(earlier.tasks) < set(later.tasks)


def test_gradual_unfreezing_releases_one_depth_per_phase_down_to_the_frozen_ones() -> None:
    schedule = Method("fine-tuning", {"source_task": "b", "frozen": 1, "gradual": True, "rate_factor": 0.5})
    assert phases_of(schedule, "abc", n_epochs=12, n_depths=4) == (
        Phase(6, ("b",)),
        Phase(2, ("a", "c"), (0, 0, 0, 1)),
        Phase(2, ("a", "c"), (0, 0, 0.5, 1)),
        Phase(2, ("a", "c"), (0, 0.25, 0.5, 1)),
    )


def test_fine_tuning_without_the_source_or_of_one_task_is_joint_training() -> None:
    schedule = Method("fine-tuning", {"source_task": "z"})
    assert phases_of(schedule, "ab") == (Phase(12, ("a", "b")),)
    assert phases_of(Method("fine-tuning"), "a") == (Phase(12, ("a",)),)


def test_freezing_every_depth_is_refused(data: TrainingData) -> None:
    schedule = Method("fine-tuning", {"source_task": "sign", "frozen": 3})
    with pytest.raises(InvalidInputError, match="freeze at most 2") as refused:
        Training(data, TrialRequest(PAIR, 0), recipe_of(schedule))
    assert refused.value.pointer == "/schedule/parameters/frozen"


@pytest.mark.parametrize(
    ("schedule", "pointer"),
    [
        (Method("continual", {"order": ["sign", "sgin"]}), "/schedule/parameters/order/1"),
        (Method("continual", {"epoch_weights": {"sgin": 2}}), "/schedule/parameters/epoch_weights/sgin"),
        (Method("continual", {"epoch_weights": {"a/b": 2}}), "/schedule/parameters/epoch_weights/a~1b"),
        (Method("sequential", {"order": ["sgin"]}), "/schedule/parameters/order/0"),
        (Method("fine-tuning", {"source_task": "sgin"}), "/schedule/parameters/source_task"),
    ],
)
def test_a_schedule_that_names_a_task_the_problem_lacks_is_refused(
    data: TrainingData, schedule: Method, pointer: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"'(sgin|a/b)'.*class, sign, sum, map") as refused:
        Training(data, TrialRequest(PAIR, 0), recipe_of(schedule))
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("schedule", [*SCHEDULES, Method("fine-tuning", {"source_task": "sign"})])
def test_one_task_trains_under_every_schedule_as_jointly(data: TrainingData, schedule: Method) -> None:
    request = TrialRequest(Network.of("sum"), seed=3)
    assert (
        train_network(data, request, recipe_of(schedule)).scores == train_network(data, request, BASE).scores
    )


def test_a_task_trained_first_scores_then_as_if_it_had_been_alone(data: TrainingData) -> None:
    recipe = recipe_of(Method("continual", {"order": ["sum"]}), epochs=8)
    training = run_epochs(Training(data, TrialRequest(PAIR, 1), recipe), 4)
    alone = run_epochs(Training(data, TrialRequest(Network.of("sum"), 1), replace(BASE, epochs=4)), 4)
    assert training.evaluate().validation_losses[1] == alone.evaluate().validation_losses[0]


@pytest.mark.parametrize("weighting", [info.name for info in list_methods(Part.WEIGHTING)])
def test_heads_of_tasks_that_are_not_trained_stay_as_they_are_to_the_last_bit(
    data: TrainingData, weighting: str
) -> None:
    recipe = replace(recipe_of(CONTINUAL, epochs=8), weighting=Method(weighting))
    training = Training(data, TrialRequest(ALL, 0), recipe)
    for trained in range(4):
        before = weights_of(training)
        run_epochs(training, 2)
        heads = {name.split(".")[1] for name in changed(before, weights_of(training)) if "heads." in name}
        assert heads == {str(trained)}


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_frozen_layers_keep_every_bit_under_weight_decay_while_others_move(
    data: TrainingData, optimiser: str
) -> None:
    schedule = Method("fine-tuning", {"source_task": "sign", "frozen": 1, "gradual": True})
    recipe = replace(recipe_of(schedule, epochs=8), optimiser=Method(optimiser))
    training = Training(data, TrialRequest(PAIR, 0), recipe)
    moved = []
    for epochs in (4, 2, 2):
        before = weights_of(training)
        run_epochs(training, epochs)
        moved.append(changed(before, weights_of(training)))
    lower, upper = ({f"stages.{i}.0.weight", f"stages.{i}.0.bias"} for i in (0, 1))
    source, target = ({f"heads.{i}.weight", f"heads.{i}.bias"} for i in (0, 1))
    assert moved == [lower | upper | source, target, upper | target]


def test_a_smaller_rate_factor_moves_lower_layers_less(data: TrainingData) -> None:
    moved = []
    for factor in (1.0, 0.1):
        schedule = Method("fine-tuning", {"source_task": "sign", "rate_factor": factor})
        training = run_epochs(Training(data, TrialRequest(PAIR, 0), recipe_of(schedule, epochs=8)), 4)
        before = weights_of(training)
        after = weights_of(run_epochs(training, 4))
        moved.append(float((after["stages.0.0.weight"] - before["stages.0.0.weight"]).norm()))
    assert moved[1] < 0.1 * moved[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_training_continued_at_any_epoch_gives_the_same_floats(
    data: TrainingData, schedule: Method
) -> None:
    request, recipe = TrialRequest(Network.of("sign", "sum", "map"), seed=2), recipe_of(schedule)
    whole = run_epochs(Training(data, request, recipe), recipe.epochs).state_dict()
    for stop in range(1, recipe.epochs):
        first = run_epochs(Training(data, request, recipe), stop)
        again = Training(data, request, recipe)
        again.load_state_dict(first.state_dict())
        state = run_epochs(again, recipe.epochs - stop).state_dict()
        assert state.keys() == whole.keys()
        assert not changed(whole, state), f"continued after {stop}"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_short_pass_is_the_beginning_of_the_whole_training(data: TrainingData, schedule: Method) -> None:
    recipe = recipe_of(schedule)
    short = Training(data, TrialRequest(ALL, 0, fidelity=0.4), recipe)
    run_epochs(short, short.n_epochs)
    whole = run_epochs(Training(data, TrialRequest(ALL, 0), recipe), short.n_epochs)
    assert not changed(weights_of(short), weights_of(whole))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_loss_falls_within_the_last_phase_of_every_schedule(data: TrainingData, schedule: Method) -> None:
    recipe = recipe_of(schedule, epochs=24)
    last = build_schedule(recipe).phases(("sign", "sum"), 24, 3)[-1]
    losses: list[float] = []
    request = TrialRequest(PAIR, 0)
    outcome = train_network(data, request, recipe, on_epoch=lambda _, loss: losses.append(loss))
    assert outcome.state is TrialState.SUCCEEDED
    assert outcome.epochs == 24
    assert losses[-1] < losses[-last.epochs]


def test_joint_affinities_are_measured_in_the_phase_that_has_all_tasks(data: TrainingData) -> None:
    request = TrialRequest(PAIR, 0, measures_affinity=True)
    sequential = train_network(data, request, recipe_of(SEQUENTIAL))
    assert sequential.affinities is not None
    assert sequential.affinities.tasks == ("sign", "sum")
    assert train_network(data, request, recipe_of(CONTINUAL)).affinities is None
    unmeasured = train_network(data, replace(request, measures_affinity=False), recipe_of(SEQUENTIAL))
    assert unmeasured.scores == sequential.scores


def test_affinities_of_the_last_phase_are_those_of_a_joint_training_from_its_weights(
    data: TrainingData,
) -> None:
    request = TrialRequest(PAIR, 0, measures_affinity=True)
    whole = replace(BASE, batch_size=10_000)  # one step per epoch, whatever the order of the rows
    sequential = run_epochs(Training(data, request, replace(whole, schedule=SEQUENTIAL, epochs=6)), 3)
    joint = Training(data, request, replace(whole, epochs=3))
    joint.network.load_state_dict(sequential.network.state_dict())
    measured = [run_epochs(training, 3).affinities() for training in (sequential, joint)]
    assert measured[0] is not None
    assert measured[1] is not None
    for method, values in measured[1].values.items():
        assert measured[0].values[method] == pytest.approx(values, rel=1e-3, abs=1e-7), method


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_changes_no_inference_cost(schedule: Method) -> None:
    networks = (ALL, PAIR, Network.of("sum", size=0.5))
    assert measure_costs(6, TASKS, networks, recipe_of(schedule)) == measure_costs(6, TASKS, networks, BASE)


def test_every_schedule_and_parameter_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "explanation" / "study.md").read_text(encoding="utf-8")
    for info in list_methods(Part.SCHEDULE):
        assert f"| `{info.name}` |" in text
        assert all(f"`{name}`" in text for name in info.parameters["properties"])
