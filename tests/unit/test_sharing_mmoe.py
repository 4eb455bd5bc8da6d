from __future__ import annotations

import copy
from typing import TypeVar

import pytest
import torch
from torch import nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError
from grouping.recipes.encoders import Mlp as MlpParameters
from grouping.recipes.sharing import Hard
from grouping.recipes.sharing_columns import Cgc, Mmoe, MultiLevelMmoe, Ple
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.initialisation import generator_for
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.cgc import CgcSharing
from grouping.training.sharing.gating import Gate
from grouping.training.sharing.hard import HardSharing
from grouping.training.sharing.levels import split_stages
from grouping.training.sharing.mmoe import MmoeSharing
from grouping.training.sharing.multi_level_mmoe import MultiLevelMmoeSharing
from grouping.training.sharing.ple import PleSharing
from tests.contracts.sharing import reached

TASKS = (Task.regression("a"), Task.multiclass("b", 3), Task.regression("c"))
WIDTHS = (6, 5, 4)
INPUTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
BLUEPRINT = Blueprint(MlpEncoder(5, MlpParameters()), WIDTHS, TASKS)
ALONE = Blueprint(MlpEncoder(5, MlpParameters()), WIDTHS, TASKS[1:2])
M = TypeVar("M", bound=nn.Module)


def every_kind(blueprint: Blueprint) -> list[MultiTaskNetwork]:
    return [
        MmoeSharing(blueprint, Mmoe(n_experts=3)),
        MultiLevelMmoeSharing(blueprint, MultiLevelMmoe(n_experts=3, n_levels=3)),
        CgcSharing(blueprint, Cgc(n_own=2, n_shared=1)),
        PleSharing(blueprint, Ple(n_own=1, n_shared=2, n_levels=3)),
    ]


def disturb(network: M) -> M:
    """Weights away from where they start, as after training."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator_for("disturb", name)))
    return network


def same(one: MultiTaskNetwork, other: MultiTaskNetwork) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one(INPUTS), other(INPUTS), strict=True))


def swap(network: MultiTaskNetwork, experts: str, one: int, other: int) -> None:
    columns = network.get_submodule(experts)
    assert isinstance(columns, nn.ModuleList)
    columns[one], columns[other] = columns[other], columns[one]


def permute_gates(network: MultiTaskNetwork, order: list[int]) -> None:
    for gate in network.modules():
        if isinstance(gate, Gate) and gate.logits is not None and len(gate.logits.bias) == len(order):
            permute_gate(gate, order)


def permute_gate(gate: nn.Module, order: list[int]) -> None:
    assert isinstance(gate, Gate)
    assert gate.logits is not None
    with torch.no_grad():
        gate.logits.weight.copy_(gate.logits.weight[order].clone())
        gate.logits.bias.copy_(gate.logits.bias[order].clone())


@pytest.mark.parametrize("kind", range(4))
def test_gates_are_probability_distributions(kind: int) -> None:
    network = every_kind(BLUEPRINT)[kind]
    gates = [gate for gate in network.modules() if isinstance(gate, Gate)]
    assert gates
    for gate in gates:
        assert gate.logits is not None
        reads = torch.randn(9, gate.logits.in_features, generator=generator_for("reads"))
        n = gate.logits.out_features
        assert torch.equal(gate.probabilities(reads), torch.full((9, n), 1 / n)), "at first all alike"
        shares = disturb(gate).probabilities(reads)
        assert bool((shares > 0).all())
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(9))
        assert len({tuple(row) for row in shares.tolist()}) == 9, "each row has its own"


def test_a_mixture_lies_between_its_experts_and_is_one_of_them_where_its_gate_is_sure() -> None:
    gate = Gate(BLUEPRINT, 3, "test")
    assert gate.logits is not None
    features = [torch.full((8, 2, 3), float(k)) for k in range(3)]
    assert torch.equal(gate(INPUTS, features), torch.ones(8, 2, 3))
    with torch.no_grad():
        gate.logits.bias.copy_(torch.tensor([0.0, 0.0, 200.0]))
    assert torch.equal(gate(INPUTS, features), features[2])


def test_a_mixture_is_the_sum_of_the_experts_by_the_shares_of_each_row() -> None:
    gate = disturb(Gate(BLUEPRINT, 3, "test"))
    features = [torch.randn(8, 2, 3, generator=generator_for("expert", k)) for k in range(3)]
    shares = gate.probabilities(INPUTS)
    expected = sum(shares[:, k, None, None] * features[k] for k in range(3))
    torch.testing.assert_close(gate(INPUTS, features), expected)


@pytest.mark.parametrize("task", range(3))
def test_tasks_follow_paths_of_their_own_through_the_levels(task: int) -> None:
    network = disturb(MultiLevelMmoeSharing(BLUEPRINT, MultiLevelMmoe(n_experts=3, n_levels=3)))
    before = network(INPUTS)
    for level in range(3):
        gates = network.gates[level]
        assert isinstance(gates, nn.ModuleList)
        disturb(gates[task])
        changed = [not torch.equal(a, b) for a, b in zip(before, network(INPUTS), strict=True)]
        assert changed == [number == task for number in range(3)]


def test_mmoe_with_one_expert_is_hard_sharing() -> None:
    network = MmoeSharing(BLUEPRINT, Mmoe(n_experts=1))
    plain = HardSharing(BLUEPRINT, Hard())
    assert same(network, plain)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in plain.parameters())
    assert same(MultiLevelMmoeSharing(BLUEPRINT, MultiLevelMmoe(n_experts=1, n_levels=3)), plain)


@pytest.mark.parametrize("kind", range(4))
def test_a_task_alone_is_the_plain_network(kind: int) -> None:
    assert same(every_kind(ALONE)[kind], HardSharing(ALONE, Hard()))


def test_one_level_is_mmoe() -> None:
    one = disturb(MultiLevelMmoeSharing(BLUEPRINT, MultiLevelMmoe(n_experts=3, n_levels=1)))
    other = MmoeSharing(BLUEPRINT, Mmoe(n_experts=3))
    other.load_state_dict(one.state_dict())
    assert same(one, other)


def test_ple_with_one_level_is_cgc() -> None:
    one = PleSharing(BLUEPRINT, Ple(n_own=2, n_shared=2, n_levels=1))
    assert same(one, CgcSharing(BLUEPRINT, Cgc(n_own=2, n_shared=2)))
    disturb(one)
    other = CgcSharing(BLUEPRINT, Cgc(n_own=2, n_shared=2))
    other.load_state_dict(one.state_dict())
    assert same(one, other)


@pytest.mark.parametrize("n_levels", [1, 2, 3])
def test_without_shared_experts_every_task_has_a_network_of_its_own(n_levels: int) -> None:
    together = PleSharing(BLUEPRINT, Ple(n_own=1, n_shared=0, n_levels=n_levels))
    assert together.shared_parameters() == {}
    for number, task in enumerate(TASKS):
        alone = HardSharing(Blueprint(BLUEPRINT.encoder, WIDTHS, (task,)), Hard())
        alone.stages.load_state_dict(together.own[number].state_dict())
        assert torch.equal(together(INPUTS)[number], alone(INPUTS)[0])


def test_exchanging_shared_experts_changes_nothing() -> None:
    for network in every_kind(BLUEPRINT)[:2]:
        disturb(network)
        changed = copy.deepcopy(network)
        swap(changed, "experts", 0, 2)
        assert not same(network, changed)
        permute_gates(changed, [2, 1, 0])
        for one, other in zip(network(INPUTS), changed(INPUTS), strict=True):
            torch.testing.assert_close(one, other)


def test_exchanging_experts_of_progressive_extraction_changes_nothing() -> None:
    network = PleSharing(BLUEPRINT, Ple(n_own=2, n_shared=2, n_levels=3))
    disturb(network)
    changed = copy.deepcopy(network)
    swap(changed, "common", 0, 1)
    swap(changed, "own", 2, 3)
    assert not same(network, changed)
    permute_gates(changed, [0, 1, 2, 3, 4, 5, 7, 6])  # the shared gates see all experts
    for gates in changed.gates:
        assert isinstance(gates, nn.ModuleList)
        for task, gate in enumerate(gates):
            permute_gate(gate, [1, 0, 3, 2] if task == 1 else [0, 1, 3, 2])
    for gate in changed.common_gates:
        permute_gate(gate, [0, 1, 3, 2, 4, 5, 6, 7])
    for one, other in zip(network(INPUTS), changed(INPUTS), strict=True):
        torch.testing.assert_close(one, other)


def test_an_expert_of_one_task_serves_the_others_below_the_last_level_only() -> None:
    for level, served in enumerate(([True] * 3, [True] * 3, [False, True, False])):
        network = PleSharing(BLUEPRINT, Ple(n_own=1, n_shared=1, n_levels=3))
        disturb(network)
        before = network(INPUTS)
        own = network.own[1]
        assert isinstance(own, nn.ModuleList)
        with torch.no_grad():
            for parameter in own[level].parameters():
                parameter.add_(0.3)
        changed = [not torch.equal(a, b) for a, b in zip(before, network(INPUTS), strict=True)]
        assert changed == served


@pytest.mark.parametrize(
    "parameters",
    [
        Ple(n_own=1, n_shared=1, n_levels=1),
        Ple(n_own=2, n_shared=1, n_levels=2),
        Ple(n_own=1, n_shared=2, n_levels=3),
        Ple(n_own=2, n_shared=0, n_levels=3),
    ],
    ids=str,
)
def test_shared_parameters_are_those_that_several_tasks_reach(parameters: Ple) -> None:
    wide = Blueprint(MlpEncoder(5, MlpParameters()), (12, 11, 10), TASKS)
    network = disturb(PleSharing(wide, parameters))
    reaches = reached(network(torch.randn(300, 5, generator=generator_for("rows"))), network)
    several = {name for name in set().union(*reaches) if sum(name in one for one in reaches) > 1}
    assert set(network.shared_parameters()) == several


def test_levels_divide_the_stages_evenly_and_in_order() -> None:
    assert split_stages(5, 2) == (range(3), range(3, 5))
    assert split_stages(4, 4) == tuple(range(i, i + 1) for i in range(4))
    assert split_stages(3, 1) == (range(3),)


def test_more_levels_than_stages_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="at most 3 levels") as raised:
        PleSharing(BLUEPRINT, Ple(n_levels=4))
    assert raised.value.pointer == "/sharing/parameters/n_levels"
    with pytest.raises(InvalidInputError, match="more hidden widths"):
        MultiLevelMmoeSharing(BLUEPRINT, MultiLevelMmoe(n_levels=4))


def costs(sharing: Method) -> tuple[int, tuple[int, ...]]:
    network = Network.of("a", "b", "c", size=40.0)
    (cost,) = measure_costs(5, TASKS, [network], Recipe(hidden=WIDTHS, sharing=sharing))
    return cost.encoder_multiply_adds, cost.widths


def test_mmoe_costs_its_experts_its_gates_and_the_mixing() -> None:
    counted, (a, b, c) = costs(Method("mmoe", {"n_experts": 4}))
    assert counted == 4 * (5 * a + a * b + b * c) + 3 * (5 * 4 + 4 * c)


def test_experts_above_the_first_mixture_run_once_per_task() -> None:
    counted, (a, b, c) = costs(Method("multi-level-mmoe", {"n_experts": 4, "n_levels": 2}))
    first = 4 * (5 * a + a * b) + 3 * (5 * 4 + 4 * b)
    assert counted == first + 3 * (4 * b * c + b * 4 + 4 * c)


def test_ple_costs_own_and_shared_experts_and_all_gates() -> None:
    counted, (a, b, c) = costs(Method("ple", {"n_own": 2, "n_shared": 1, "n_levels": 2}))
    experts = 7 * (5 * a + a * b + b * c)
    shared_gate = 5 * 7 + 7 * b
    task_gates = 3 * (5 * 3 + 3 * b) + 3 * (b * 3 + 3 * c)
    assert counted == experts + shared_gate + task_gates
