from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.recipes.encoders import Mlp
from grouping.recipes.sharing import Hard
from grouping.recipes.sharing_from_data import AdaptiveWidening as Parameters
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.loop import Training
from grouping.training.sharing.adaptive_widening import AdaptiveWidening, hardness_affinity
from grouping.training.sharing.branching import (
    branch_counts,
    count_partitions,
    divide,
    least_separated,
    list_partitions,
    separation,
)
from grouping.training.sharing.hard import HardSharing
from tests.contracts.sharing import reached
from tests.effort import examples

NAMES = ("a", "b", "copy of a", "copy of b")
TASKS = tuple(Task.regression(name) for name in NAMES)
RECIPE = Recipe(
    hidden=(8, 6), epochs=10, batch_size=20, learning_rate=0.02, sharing=Method("adaptive-widening")
)
TOGETHER = Network.of(*NAMES, size=2.0)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Two pairs of tasks with equal targets; the rows that are hard for one pair are easy for the other."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 5)).astype(np.float32)
    noise = generator.normal(size=(200, 1)).astype(np.float32)
    is_hard = inputs[:, 4:] > 0
    one = np.where(is_hard, 3 * noise, inputs[:, :1])
    other = np.where(is_hard, inputs[:, 1:2], -3 * noise)
    rows = np.arange(200, dtype=np.int64)
    targets = {"a": one, "b": other, "copy of a": one, "copy of b": other}
    return TrainingData.from_dataset(Dataset(inputs, targets, rows[:120], rows[120:160], rows[160:]), TASKS)


@pytest.fixture(scope="module")
def prepared(data: TrainingData) -> Training:
    return prepare(Training(data, TrialRequest(TOGETHER, 0), RECIPE))


def prepare(training: Training) -> Training:
    while training.prepare_epoch():
        pass
    return training


def network_of(training: Training) -> AdaptiveWidening:
    assert isinstance(training.network, AdaptiveWidening)
    return training.network


affinities = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.floats(0, 1), min_size=n * n, max_size=n * n).map(
        lambda values: [
            [1.0 if i == j else values[min(i, j) * n + max(i, j)] for j in range(n)] for i in range(n)
        ]
    )
)


@given(affinities, st.integers(1, 6))
@settings(max_examples=examples(60), deadline=None)
def test_no_division_of_the_tasks_is_less_separated(affinity: list[list[float]], n_blocks: int) -> None:
    n = len(affinity)
    n_blocks = min(n, n_blocks)
    found = least_separated(affinity, n_blocks)
    assert sorted(i for block in found for i in block) == list(range(n))
    best = separation(affinity, found)
    for labels in product(range(n_blocks), repeat=n):  # brute force
        if len(set(labels)) == n_blocks:
            blocks = tuple(tuple(i for i in range(n) if labels[i] == k) for k in range(n_blocks))
            assert best <= separation(affinity, blocks) + 1e-12


@given(affinities, st.integers(1, 8), st.integers(1, 4))
@settings(max_examples=examples(60), deadline=None)
def test_who_shares_a_branch_shares_all_below_it(
    affinity: list[list[float]], last: int, n_stages: int
) -> None:
    n = len(affinity)
    counts = branch_counts(last, n_stages, n)
    stages = divide(affinity, counts)
    assert [len(set(serves)) for serves in stages] == list(counts)
    assert all(set(serves) == set(range(count)) for serves, count in zip(stages, counts, strict=True))
    for below, above in pairwise(stages):
        for i, j in product(range(n), repeat=2):
            assert above[i] != above[j] or below[i] == below[j]


def test_every_division_is_listed_once() -> None:
    for n, n_blocks in product(range(1, 7), range(1, 7)):
        listed = [frozenset(map(frozenset, blocks)) for blocks in list_partitions(n, n_blocks)]
        assert len(listed) == len(set(listed)) == count_partitions(n, n_blocks)
    assert count_partitions(10, 4) == 34_105


def test_many_tasks_are_merged_into_the_blocks_that_stand_out() -> None:
    n, n_blocks = 20, 4
    affinity = [[1.0 if i % n_blocks == j % n_blocks else 0.5 for j in range(n)] for i in range(n)]
    blocks = least_separated(affinity, n_blocks)
    assert {frozenset(block) for block in blocks} == {
        frozenset(range(k, n, n_blocks)) for k in range(n_blocks)
    }


def test_stages_have_half_as_many_branches_as_those_above() -> None:
    assert branch_counts(5, 4, 9) == (1, 2, 3, 5)
    assert branch_counts(5, 3, 2) == (1, 1, 2)
    assert branch_counts(1, 2, 9) == (1, 1)


def test_tasks_that_find_the_same_rows_hard_share_a_branch(prepared: Training) -> None:
    assert network_of(prepared).branches.tolist() == [[0, 0, 0, 0], [0, 1, 0, 1]]
    below, last = network_of(prepared).stages
    assert [len(list(stage.children())) for stage in (below, last)] == [1, 2]


def test_affinity_is_one_for_a_task_with_itself_and_symmetric(data: TrainingData, prepared: Training) -> None:
    affinity = hardness_affinity(prepared.network, data)
    assert torch.equal(affinity.diagonal(), torch.ones(4, dtype=torch.float64))
    assert torch.equal(affinity, affinity.T)
    assert bool(((affinity >= 0) & (affinity <= 1)).all())
    assert affinity[0, 2] > affinity[0, 1]


def test_affinity_counts_the_rows_that_are_hard_for_both_or_for_neither(data: TrainingData) -> None:
    network = HardSharing(Blueprint(MlpEncoder(5, Mlp()), (8, 6), TASKS), Hard())
    affinity = hardness_affinity(network, data)
    with torch.no_grad():
        outputs = network(data.train.inputs)
    hard = []
    for name, output in zip(NAMES, outputs, strict=True):
        squares = (output - data.train.targets[name]).square().mean(dim=1)
        hard.append((squares > squares.mean()).tolist())
    for i, j in product(range(4), repeat=2):
        alike = sum(one == other for one, other in zip(hard[i], hard[j], strict=True)) / 120
        assert float(affinity[i, j]) == pytest.approx(alike)


def test_branches_start_as_copies_of_one_trained_stage(data: TrainingData) -> None:
    network = network_of(prepare(Training(data, TrialRequest(TOGETHER, 0), RECIPE)))
    one, other = (list(branch.parameters()) for branch in network.stages[1].children())
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert one[0].data_ptr() != other[0].data_ptr()
    untrained = AdaptiveWidening(Blueprint(MlpEncoder(5, Mlp()), network._widths, TASKS), Parameters())
    assert not torch.equal(next(untrained.parameters()), next(network.parameters()))


def test_the_structure_depends_on_data_recipe_and_seed_alone(data: TrainingData, prepared: Training) -> None:
    again = prepare(Training(data, TrialRequest(TOGETHER, 0), RECIPE)).network.state_dict()
    other = prepare(Training(data, TrialRequest(TOGETHER, 1), RECIPE)).network.state_dict()
    first = prepared.network.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_branches_of_a_saved_state_hold_whatever_was_there_before(prepared: Training) -> None:
    fresh = AdaptiveWidening(
        Blueprint(MlpEncoder(5, Mlp()), network_of(prepared)._widths, TASKS), Parameters()
    )
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    state = prepared.network.state_dict()
    assert not torch.equal(fresh.branches, state["branches"])
    fresh.load_state_dict(state)
    with torch.no_grad():
        next(fresh.stages[1][1].parameters()).add_(0.5)  # type: ignore[index]
        changed = [
            not torch.equal(a, b) for a, b in zip(fresh(inputs), prepared.network(inputs), strict=True)
        ]
    assert changed == [False, True, False, True]


def test_branches_of_one_task_are_not_shared(data: TrainingData) -> None:
    recipe = replace(RECIPE, sharing=Method("adaptive-widening", {"n_branches": 4}))
    network = network_of(prepare(Training(data, TrialRequest(replace(TOGETHER, size=9.0), 0), recipe)))
    names = set(network.shared_parameters())
    assert names == {name for name, _ in network.named_parameters() if name.startswith("stages.0.")}


@pytest.mark.parametrize("n_branches", [1, 2, 3])
def test_shared_parameters_are_those_that_several_tasks_reach(data: TrainingData, n_branches: int) -> None:
    recipe = replace(
        RECIPE, hidden=(8, 8, 6), sharing=Method("adaptive-widening", {"n_branches": n_branches})
    )
    network = network_of(prepare(Training(data, TrialRequest(replace(TOGETHER, size=9.0), 0), recipe)))
    reaches = reached(network(data.train.inputs), network)
    several = {name for name in set().union(*reaches) if sum(name in one for one in reaches) > 1}
    assert set(network.shared_parameters()) == several


def test_one_branch_is_hard_sharing_and_so_is_a_task_alone() -> None:
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for tasks, n_branches in ((TASKS, 1), (TASKS[:1], 3)):
        blueprint = Blueprint(MlpEncoder(5, Mlp()), (8, 6), tasks)
        network = AdaptiveWidening(blueprint, Parameters(n_branches=n_branches))
        plain = HardSharing(blueprint, Hard())
        assert all(torch.equal(a, b) for a, b in zip(network(inputs), plain(inputs), strict=True))


def test_costs_depend_on_the_number_of_tasks_and_branches_alone() -> None:
    recipe = replace(RECIPE, hidden=(8, 6, 4), sharing=Method("adaptive-widening", {"n_branches": 3}))
    networks = [Network.of(*NAMES, size=5.0), Network.of(*NAMES[:2], size=5.0), Network.of("b")]
    four, two, one = measure_costs(5, TASKS, networks, recipe)
    a, b, c = four.widths
    assert four.encoder_multiply_adds == 5 * a + 2 * a * b + 3 * b * c
    a, b, c = two.widths
    assert two.encoder_multiply_adds == 5 * a + a * b + 2 * b * c
    assert one.cost_snt == 1.0
