from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import TrainingError
from grouping.recipes.encoders import Mlp
from grouping.recipes.sharing import Hard
from grouping.recipes.sharing_from_data import Sparse
from grouping.training.blueprint import Blueprint
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.encoders.mlp import MlpEncoder
from grouping.training.loop import Training
from grouping.training.sharing.columns import matrices
from grouping.training.sharing.hard import HardSharing
from grouping.training.sharing.preparation import first_training
from grouping.training.sharing.pruning import PruningRound, full_masks, keep_masked, prune, prune_in_rounds
from grouping.training.sharing.sparse import SparseSharing, overlap_affinity
from tests.unit.test_training_loop import TASKS, make_dataset

NAMES = ("class", "sign", "sum")
WIDTHS = (8, 6)
RECIPE = Recipe(
    hidden=WIDTHS,
    epochs=6,
    batch_size=50,
    learning_rate=0.02,
    sharing=Method("sparse", {"rounds": 2, "rate": 0.4, "round_epochs": 0.4}),
)
TOGETHER = Network.of(*NAMES, size=3.0)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=200), TASKS)


@pytest.fixture(scope="module")
def prepared(data: TrainingData) -> SparseSharing:
    return network_of(prepare(Training(data, TrialRequest(TOGETHER, 0), RECIPE)))


def prepare(training: Training) -> Training:
    while training.prepare_epoch():
        pass
    return training


def pruned(start: Callable[[], Training], *, rounds: int) -> list[PruningRound]:
    """All rounds of a pruning."""
    pruning = prune_in_rounds(start, rounds=rounds, rate=0.4)
    while True:
        try:
            next(pruning)
        except StopIteration as end:
            found: list[PruningRound] = end.value
            return found


def network_of(training: Training) -> SparseSharing:
    assert isinstance(training.network, SparseSharing)
    return training.network


def random_masks(network: SparseSharing, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, mask in network.named_buffers():
        assert name.startswith("mask_")
        mask.copy_(torch.rand(mask.shape, generator=generator) < 0.5)


def built(n_tasks: int = 3) -> SparseSharing:
    return SparseSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:n_tasks]), Sparse())


def inputs() -> Tensor:
    return torch.randn(9, 6, generator=torch.Generator().manual_seed(1))


def test_with_full_masks_it_is_hard_sharing() -> None:
    plain = HardSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:3]), Hard())
    assert all(torch.equal(a, b) for a, b in zip(built()(inputs()), plain(inputs()), strict=True))


def test_each_task_sees_the_encoder_with_the_weights_of_its_mask() -> None:
    network = built()
    random_masks(network)
    for number, own in enumerate(network.features(inputs())):
        plain = HardSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:3]), Hard())
        with torch.no_grad():
            for i, masks in enumerate(network.masks):
                for name, mask in masks.items():
                    plain.stages[i].get_parameter(name).mul_(network.get_buffer(mask)[number])
        assert torch.equal(own, plain.features(inputs())[0])


def test_a_loss_trains_the_weights_of_its_own_mask_alone() -> None:
    network = built()
    random_masks(network)
    network(inputs())[1].square().sum().backward()
    for i, masks in enumerate(network.masks):
        for name, mask in masks.items():
            gradient = network.stages[i].get_parameter(name).grad
            assert gradient is not None
            used = network.get_buffer(mask)[1]
            assert not gradient[~used].any()
            assert gradient[used].any()


def test_pruning_takes_the_smallest_weights_that_are_left() -> None:
    stages = built().stages
    full = full_masks(stages)
    once = prune(stages, full, 0.25)
    twice = prune(stages, once, 0.25)
    n = sum(mask.numel() for mask in full.values())
    counts = [int(sum(mask.sum() for mask in masks.values())) for masks in (full, once, twice)]
    assert counts == [n, n - n // 4, n - n // 4 - (n - n // 4) // 4]
    kept = torch.cat([p.detach()[twice[name]].abs() for name, p in matrices(stages).items()])
    gone = torch.cat([p.detach()[~twice[name]].abs() for name, p in matrices(stages).items()])
    assert kept.min() >= gone.max()
    assert all(bool((once[name] | ~twice[name]).all()) for name in full), "what is pruned stays so"


def test_offsets_scales_and_embeddings_are_not_pruned() -> None:
    assert sorted(matrices(built().stages)) == ["0.0.weight", "1.0.weight"]
    layer = nn.Sequential(nn.Conv2d(2, 3, 3), nn.LayerNorm(3), nn.Embedding(4, 3))
    assert sorted(matrices(layer)) == ["0.weight"]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_pruned_weights_stay_zero_in_the_training_of_a_task_alone(data: TrainingData, optimiser: str) -> None:
    recipe = replace(RECIPE, weight_decay=0.1, optimiser=Method(optimiser))
    training = first_training(data, ("sum",), recipe, 0, widths=WIDTHS, share=1.0)
    stages = training.network.get_submodule("stages")
    full = full_masks(stages)
    masks = prune(stages, full, 0.5)
    keep_masked(stages, masks)
    before = {name: p.detach().clone() for name, p in matrices(stages).items()}
    training.run_epoch()
    training.run_epoch()
    for name, weight in matrices(stages).items():
        assert not weight.detach()[~masks[name]].any()
        assert not torch.equal(weight.detach(), before[name])


def test_every_round_starts_from_the_initial_weights_of_the_joint_training(data: TrainingData) -> None:
    start = partial(first_training, data, ("sum",), RECIPE, 4, widths=WIDTHS, share=0.4)
    wanted = SparseSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:3], 4), Sparse()).stages
    for training in (start(), start()):
        stages = training.network.get_submodule("stages")
        for one, other in zip(stages.parameters(), wanted.parameters(), strict=True):
            assert torch.equal(one, other)
        training.run_epoch()


def test_every_round_trains_what_the_last_one_left(data: TrainingData) -> None:
    started: list[Training] = []

    def start() -> Training:
        started.append(first_training(data, ("class",), RECIPE, 0, widths=WIDTHS, share=0.4))
        return started[-1]

    rounds = pruned(start, rounds=3)
    assert len(rounds) == len(started) == 4
    for one, training in zip(rounds, started, strict=True):
        assert one.validation_loss == training.evaluate().validation_losses[0]
        for name, weight in matrices(training.network.get_submodule("stages")).items():
            assert torch.equal(weight != 0, one.masks[name])
    left = [int(sum(mask.sum() for mask in one.masks.values())) for one in rounds]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 4


def test_a_task_keeps_the_masks_of_least_validation_loss(data: TrainingData, prepared: SparseSharing) -> None:
    for number, task in enumerate(NAMES):
        start = partial(first_training, data, (task,), RECIPE, 0, widths=prepared._widths, share=0.4)
        best = min(pruned(start, rounds=2), key=lambda one: one.validation_loss)
        for i, masks in enumerate(prepared.masks):
            for name, mask in masks.items():
                assert torch.equal(prepared.get_buffer(mask)[number], best.masks[f"{i}.{name}"])
    assert float(prepared.densities().min()) < 1.0


def test_trainings_that_explode_leave_full_masks(data: TrainingData) -> None:
    network = SparseSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:3]), Sparse(rounds=2))
    network.prepare(data, replace(RECIPE, learning_rate=1e30), 0)
    assert network.densities().tolist() == [1.0, 1.0, 1.0]


def test_masks_depend_on_the_task_and_the_seed_but_not_on_the_group(
    data: TrainingData, prepared: SparseSharing
) -> None:
    pair = SparseSharing(
        Blueprint(MlpEncoder(6, Mlp()), prepared._widths, (TASKS[0], TASKS[2])), prepared._pruning
    )
    pair.prepare(data, RECIPE, 0)
    for name, mask in pair.named_buffers():
        assert torch.equal(mask, prepared.get_buffer(name)[[0, 2]])
    pair.prepare(data, RECIPE, 1)
    assert any(
        not torch.equal(mask, prepared.get_buffer(name)[[0, 2]]) for name, mask in pair.named_buffers()
    )


def test_masks_are_part_of_the_state(prepared: SparseSharing) -> None:
    network = SparseSharing(Blueprint(MlpEncoder(6, Mlp()), prepared._widths, TASKS[:3]), Sparse())
    network.load_state_dict(prepared.state_dict())
    assert torch.equal(network.overlap(), prepared.overlap())
    assert all(torch.equal(a, b) for a, b in zip(network(inputs()), prepared(inputs()), strict=True))


def test_the_overlap_is_the_intersection_over_the_union() -> None:
    network = built()
    random_masks(network)
    overlap = network.overlap()
    used = [
        {
            (name, i)
            for name, mask in network.named_buffers()
            for i in mask[task].flatten().nonzero().flatten().tolist()
        }
        for task in range(3)
    ]
    for i in range(3):
        for j in range(3):
            assert float(overlap[i, j]) == pytest.approx(len(used[i] & used[j]) / len(used[i] | used[j]))
    n = sum(mask[0].numel() for _, mask in network.named_buffers())
    assert network.densities().tolist() == pytest.approx([len(one) / n for one in used])


def test_a_task_alone_has_the_plain_encoder_without_masks() -> None:
    alone = built(1)
    assert not list(alone.named_buffers())
    assert alone.overlap().tolist() == [[1.0]]
    plain = HardSharing(Blueprint(MlpEncoder(6, Mlp()), WIDTHS, TASKS[:1]), Hard())
    assert torch.equal(alone(inputs())[0], plain(inputs())[0])


def test_the_affinity_is_the_overlap_in_the_order_of_the_tasks_asked_for(data: TrainingData) -> None:
    parameters = Sparse(rounds=2, rate=0.4, round_epochs=0.4)
    found = overlap_affinity(data, ("sum", "class"), RECIPE, 0, parameters)
    turned = overlap_affinity(data, ("class", "sum"), RECIPE, 0, parameters)
    assert found.shape == (2, 2)
    assert np.array_equal(found, turned[::-1, ::-1])
    assert np.array_equal(found.diagonal(), [1.0, 1.0])
    assert 0.0 < found[0, 1] == found[1, 0] <= 1.0
    with pytest.raises(TrainingError, match="depth"):
        overlap_affinity(data, ("depth", "class"), RECIPE, 0, parameters)


def test_every_task_costs_an_encoder_with_its_zeros() -> None:
    together, alone = measure_costs(6, TASKS, [TOGETHER, Network.of("sum")], RECIPE)
    first, last = together.widths
    assert together.encoder_multiply_adds == 3 * (6 * first + first * last)
    assert alone.cost_snt == 1.0
