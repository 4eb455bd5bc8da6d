from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.recipes.encoders import Mlp
from grouping.recipes.sharing import Hard
from grouping.recipes.sharing_columns import Asymmetric, Customised
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.loop import Training
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.asymmetric import AsymmetricSharing
from grouping.training.sharing.customised import CustomisedSharing
from grouping.training.sharing.hard import HardSharing
from tests.unit import test_training_loop

TASKS = (Task.regression("a"), Task.multiclass("b", 3), Task.regression("c"))
INPUTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))


def blueprint(*tasks: Task) -> Blueprint:
    return Blueprint(MlpEncoder(5, Mlp()), (6, 4), tasks)


def asymmetric(source: str = "", tasks: tuple[Task, ...] = TASKS) -> AsymmetricSharing:
    return AsymmetricSharing(blueprint(*tasks), Asymmetric(source_task=source))


def moved(network: MultiTaskNetwork, module: nn.Module) -> list[bool]:
    """Which outputs change when the weights of a module do."""
    before = network(INPUTS)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    return [not torch.equal(one, other) for one, other in zip(before, network(INPUTS), strict=True)]


def test_the_source_feeds_the_others_and_nobody_feeds_the_source() -> None:
    assert moved(asymmetric("b"), asymmetric("b").bottoms) == [False, False, False], "another network"
    for number, reached in ((0, [True, False, False]), (1, [True, True, True]), (2, [False, False, True])):
        network = asymmetric("b")
        assert moved(network, network.bottoms[number]) == reached


def test_without_a_named_source_in_the_group_the_first_task_is_the_source() -> None:
    assert [asymmetric(source).source for source in ("", "a", "c", "elsewhere")] == [0, 0, 2, 0]


@pytest.mark.parametrize("kind", [asymmetric, lambda: CustomisedSharing(blueprint(*TASKS), Customised())])
def test_bottoms_start_from_weights_of_their_own(kind: Callable[[], MultiTaskNetwork]) -> None:
    starts = [p for name, p in kind().named_parameters() if name.endswith(".0.0.weight")]
    assert len(starts) >= 3
    assert all(not torch.equal(one, other) for one, other in combinations(starts, 2))


def test_the_source_is_a_network_of_its_own() -> None:
    alone = HardSharing(blueprint(TASKS[1]), Hard())
    assert torch.equal(asymmetric("b")(INPUTS)[1], alone(INPUTS)[0])
    assert torch.equal(asymmetric("b", TASKS[1:2])(INPUTS)[0], alone(INPUTS)[0])


def test_a_merge_that_drops_the_source_leaves_networks_of_their_own() -> None:
    network = asymmetric()
    merge = network.merges[2]
    assert isinstance(merge, nn.Linear)
    with torch.no_grad():
        merge.weight.copy_(torch.cat([torch.eye(4), torch.zeros(4, 4)], dim=1))
    own: Tensor = INPUTS
    for stage in network.bottoms[2].children():
        own = stage(own)
    torch.testing.assert_close(network.features(INPUTS)[2], own)


def test_a_source_that_the_problem_does_not_have_is_refused() -> None:
    data = TrainingData.from_dataset(test_training_loop.make_dataset(rows=60), test_training_loop.TASKS)
    recipe = Recipe(hidden=(6, 4), sharing=Method("asymmetric", {"source_task": "depth"}))
    with pytest.raises(InvalidInputError, match="depth") as raised:
        Training(data, TrialRequest(Network.of("class"), 0), recipe)
    assert raised.value.pointer == "/sharing/parameters/source_task"


def test_customised_tasks_see_the_shared_bottom_and_their_own() -> None:
    for number, reached in enumerate(([True, False, False], [False, True, False], [False, False, True])):
        network = CustomisedSharing(blueprint(*TASKS), Customised())
        assert moved(network, network.bottoms[number]) == reached
    network = CustomisedSharing(blueprint(*TASKS), Customised())
    assert moved(network, network.stages) == [True, True, True]


def test_a_customised_merge_of_the_shared_part_alone_is_hard_sharing() -> None:
    network = CustomisedSharing(blueprint(*TASKS), Customised())
    with torch.no_grad():
        for merge in network.merges:
            assert isinstance(merge, nn.Linear)
            merge.weight.copy_(torch.cat([torch.eye(4), torch.zeros(4, 4)], dim=1))
    for own, wanted in zip(network(INPUTS), HardSharing(blueprint(*TASKS), Hard())(INPUTS), strict=True):
        torch.testing.assert_close(own, wanted)


def test_a_customised_task_alone_is_the_plain_network() -> None:
    alone = CustomisedSharing(blueprint(TASKS[1]), Customised())
    assert torch.equal(alone(INPUTS)[0], HardSharing(blueprint(TASKS[1]), Hard())(INPUTS)[0])


@pytest.mark.parametrize(("name", "n_columns", "n_merges"), [("asymmetric", 3, 2), ("customised", 4, 3)])
def test_costs_are_those_of_the_columns_and_of_putting_them_together(
    name: str, n_columns: int, n_merges: int
) -> None:
    recipe = Recipe(hidden=(6, 4), sharing=Method(name))
    together, alone = measure_costs(5, TASKS, [Network.of("a", "b", "c", size=20.0), Network.of("b")], recipe)
    first, last = together.widths
    expected = n_columns * (5 * first + first * last) + n_merges * 2 * last * last
    assert together.encoder_multiply_adds == expected
    assert alone.cost_snt == 1.0
