from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.recipes import check_named_tasks
from grouping.recipes.sharing import Hierarchical
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import cost_key
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.hierarchical import HierarchicalSharing
from tests.contracts.sharing import inputs_of, network_of, reached
from tests.unit.test_training_loop import TASKS, make_dataset

BASE = Recipe(hidden=(8, 6, 4), epochs=3, batch_size=30, learning_rate=0.02, weight_decay=0.1)
LOW, MIDDLE, HIGH = TASKS[0], TASKS[1], TASKS[2]
DEPTHS = {LOW.name: 1, MIDDLE.name: 2, HIGH.name: 3}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


def at(depths: dict[str, int]) -> Recipe:
    return replace(BASE, sharing=Method("hierarchical", {"depths": depths}))


def trained(data: TrainingData, recipe: Recipe, *tasks: Task) -> MultiTaskNetwork:
    training = Training(data, TrialRequest(Network.of(*(task.name for task in tasks)), 0), recipe)
    while not training.is_finished:
        training.run_epoch()
    return training.network


def test_a_loss_reaches_the_stages_below_its_head_and_none_above(data: TrainingData) -> None:
    training = Training(data, TrialRequest(Network.of(LOW.name, MIDDLE.name, HIGH.name), 0), at(DEPTHS))
    network = training.network
    stages = [
        {name.split(".")[1] for name in names if name.startswith("stages.")}
        for names in reached(network(data.train.inputs), network)
    ]
    assert stages == [{"0"}, {"0", "1"}, {"0", "1", "2"}]


def test_stages_above_a_task_train_as_if_it_were_not_there(data: TrainingData) -> None:
    # With the lower stages frozen, the upper ones see neither the low task's loss nor its weight decay.
    def upper(*tasks: Task) -> list[torch.Tensor]:
        training = Training(data, TrialRequest(Network.of(*(task.name for task in tasks)), 0), at(DEPTHS))
        network = training.network
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not name.startswith("stages.0."))
        training.run_epoch()
        return [
            p.detach() for name, p in network.named_parameters() if name.startswith(("stages.1", "stages.2"))
        ]

    for with_low, without in zip(upper(LOW, HIGH), upper(HIGH), strict=True):
        assert torch.equal(with_low, without)


def test_all_tasks_at_the_last_stage_are_hard_sharing(data: TrainingData) -> None:
    request = TrialRequest(Network.of(*(task.name for task in TASKS)), 4)
    deepest = train_network(data, request, at({task.name: 3 for task in TASKS}))
    assert deepest.scores == train_network(data, request, BASE).scores


def test_all_tasks_at_one_lower_stage_are_hard_sharing_of_a_shallower_encoder(data: TrainingData) -> None:
    network = trained(data, at(dict.fromkeys(DEPTHS, 2)), LOW, MIDDLE, HIGH)
    assert len(network.depths()) == 3  # two stages and the heads
    low, *others = network.features(data.test.inputs[:])
    assert low.shape[1] == BASE.hidden[1]
    assert all(other is low for other in others)


def test_a_task_has_the_same_depth_and_the_same_start_in_every_group() -> None:
    inputs = inputs_of("mlp", 5)
    recipe = replace(BASE, sharing=Method("hierarchical"))
    for task in TASKS:
        alone = network_of(recipe, "mlp", [task])(inputs)[0]
        for others in combinations(TASKS, 3):
            if task in others:
                together = network_of(recipe, "mlp", others)(inputs)[others.index(task)]
                assert torch.equal(alone, together)


def test_a_task_of_one_output_is_one_stage_lower_unless_told() -> None:
    single, several = Task.regression("a"), Task.multiclass("b", 3)
    assert [Hierarchical().stages_below(single, n) for n in (1, 2, 3)] == [1, 1, 2]
    assert [Hierarchical().stages_below(several, n) for n in (1, 2, 3)] == [1, 2, 3]
    assert Hierarchical({"a": 3}).stages_below(single, 3) == 3
    assert Hierarchical({"b": 1}).stages_below(several, 3) == 1


def test_only_stages_that_some_task_needs_cost_anything(data: TrainingData) -> None:
    networks = [Network.of(*names) for n in (1, 2, 3) for names in combinations(DEPTHS, n)]
    costs = measure_costs(data.n_features, TASKS, networks, at(DEPTHS))
    stages = (6 * 8, 8 * 6, 6 * 4)
    for network, cost in zip(networks, costs, strict=True):
        deepest = max(DEPTHS[name] for name in network.group)
        assert cost.encoder_multiply_adds == sum(stages[:deepest])
        assert cost.head_multiply_adds == {
            task.name: BASE.hidden[DEPTHS[task.name] - 1] * task.n_outputs
            for task in TASKS
            if task.name in network.group
        }


def test_groups_with_equally_deep_tasks_have_one_cost_key() -> None:
    recipe = at({"class": 1})
    keys = [cost_key(recipe, group) for n in (1, 2, 3, 4) for group in combinations(TASKS, n)]
    assert len(set(keys)) <= 8
    assert cost_key(recipe, (TASKS[0], TASKS[1])) != cost_key(recipe, (TASKS[0], TASKS[3]))


def test_shared_are_the_stages_below_two_heads() -> None:
    network = network_of(at({LOW.name: 1, HIGH.name: 2}), "mlp", [LOW, HIGH])
    assert set(network.shared_parameters()) == {
        name for name, _ in network.named_parameters() if name.startswith("stages.0.")
    }


def test_a_map_is_decoded_from_a_lower_stage_too() -> None:
    tasks = [Task.dense_map("edges", 16), Task.regression("angle")]
    network = network_of(at({"edges": 1, "angle": 2}), "convolutional", tasks)
    assert isinstance(network, HierarchicalSharing)
    assert network.task_depths == (1, 2)
    assert [tuple(out.shape) for out in network(inputs_of("convolutional", 3))] == [(3, 16), (3, 1)]


def test_a_depth_beyond_the_encoder_is_refused_with_its_place(data: TrainingData) -> None:
    with pytest.raises(InvalidInputError, match="3 stages") as caught:
        Training(data, TrialRequest(Network.of("sum"), 0), at({"sum": 4}))
    assert caught.value.pointer == "/sharing/parameters/depths/sum"
    with pytest.raises(InvalidInputError) as caught:
        Hierarchical({"a/b~c": 2}).stages_below(Task.regression("a/b~c"), 1)
    assert caught.value.pointer == "/sharing/parameters/depths/a~1b~0c"


def test_a_depth_below_the_first_stage_is_refused(data: TrainingData) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Training(data, TrialRequest(Network.of("sum"), 0), at({"sum": 0}))
    assert caught.value.pointer == "/sharing/parameters/depths/sum"


def test_a_depth_of_an_unknown_task_is_refused() -> None:
    assert Hierarchical({"a": 1}).named_tasks() == (("/depths/a", "a"),)
    with pytest.raises(InvalidInputError, match="nobody"):
        check_named_tasks(at({"nobody": 1}), [task.name for task in TASKS])
