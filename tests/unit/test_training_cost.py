from __future__ import annotations

import subprocess
import sys

import pytest

from grouping.domain.networks import Network, list_candidates
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.errors import InvalidInputError
from grouping.recipes import list_methods
from grouping.recipes.encoders import Mlp
from grouping.training.cost import measure_costs, scaled_widths
from grouping.training.encoders.mlp import MlpEncoder

TASKS = (Task.multiclass("digit", 10), Task.regression("angle"), Task.dense_map("edges", 64))
RECIPE = Recipe(hidden=(32, 32))


def test_the_full_size_costs_one_and_has_the_widths_of_the_recipe() -> None:
    (cost,) = measure_costs(64, TASKS, [Network.of("digit", "edges")], RECIPE)
    assert cost.cost_snt == 1.0
    assert cost.widths == (32, 32)
    assert cost.encoder_multiply_adds == 64 * 32 + 32 * 32
    assert cost.head_multiply_adds == {"digit": 32 * 10, "edges": 32 * 64}


def test_a_half_size_network_costs_at_most_a_half_and_is_as_wide_as_it_may() -> None:
    (cost,) = measure_costs(64, TASKS, [Network.of("digit", size=0.5)], RECIPE)
    assert cost.cost_snt <= 0.5
    assert cost.cost_snt == cost.encoder_multiply_adds / (64 * 32 + 32 * 32)
    wider = tuple(width + 1 for width in cost.widths)
    assert 64 * wider[0] + wider[0] * wider[1] > 0.5 * (64 * 32 + 32 * 32)


def test_costs_come_in_the_order_of_the_networks_and_do_not_depend_on_the_group() -> None:
    networks = list_candidates([task.name for task in TASKS], max_group_size=3, single_sizes=(0.5,))
    costs = measure_costs(64, TASKS, networks, RECIPE)
    assert [cost.cost_snt == 1.0 for cost in costs] == [network.size == 1.0 for network in networks]
    assert all(
        cost.head_multiply_adds.keys() == network.group for cost, network in zip(costs, networks, strict=True)
    )


def test_every_whole_number_of_networks_of_a_share_fits_into_the_whole() -> None:
    for parts in range(2, 12):
        (cost,) = measure_costs(64, TASKS, [Network.of("digit", size=1 / parts)], RECIPE)
        assert cost.cost_snt * parts <= 1.0


def test_a_size_below_one_unit_per_layer_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="choose a larger size"):
        scaled_widths(MlpEncoder(64, Mlp()), (4, 4), 0.01)


def test_a_size_with_layers_beyond_the_limit_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="wider than"):
        scaled_widths(MlpEncoder(2, Mlp()), (2048,), 3.0)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="depth"):
        measure_costs(64, TASKS, [Network.of("depth")], RECIPE)


def test_importing_the_package_starts_no_device_and_no_ray() -> None:
    code = (
        "import sys, torch; import grouping.training.loop, grouping.training.cost;"
        "print('ray' in sys.modules, torch.cuda.is_initialized())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False False"


@pytest.mark.parametrize("method", [info.name for info in list_methods(Part.SHARING)])
def test_a_size_is_a_cost_under_every_way_of_sharing(method: str) -> None:
    recipe = Recipe(hidden=(24, 24), sharing=Method(method))
    networks = [Network.of("digit", "angle", "edges"), Network.of("digit", "edges", size=2.0)]
    for network, cost in zip(networks, measure_costs(64, TASKS, networks, recipe), strict=True):
        assert 0.3 * network.size < cost.cost_snt <= network.size
        assert all(0 < width <= 48 for width in cost.widths)


def test_an_encoder_per_task_is_as_wide_as_the_size_leaves_room_for() -> None:
    recipe = Recipe(hidden=(24, 24), sharing=Method("soft"))
    small, full = measure_costs(
        64, TASKS, [Network.of("digit", "edges"), Network.of("digit", "edges", size=2.0)], recipe
    )
    assert full.widths == (24, 24)
    assert full.cost_snt == 2.0
    assert small.widths == scaled_widths(MlpEncoder(64, Mlp()), (24, 24), 0.5)


def test_a_network_that_cannot_be_narrow_enough_is_refused() -> None:
    recipe = Recipe(hidden=(1, 1), sharing=Method("soft"))
    with pytest.raises(InvalidInputError, match="2 tasks with soft sharing"):
        measure_costs(64, TASKS, [Network.of("digit", "edges")], recipe)
