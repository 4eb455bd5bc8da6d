from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.blueprint import Blueprint
from grouping.training.cost import network_widths
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_encoder, build_network
from grouping.training.sharing.sluice import SluiceSharing, mix_subspaces
from tests.contracts.sharing import inputs_of, multiply_adds, network_of
from tests.unit.test_training_loop import TASKS, make_dataset

BASE = Recipe(hidden=(12, 8), epochs=3, batch_size=30, learning_rate=0.02, weight_decay=0.1)
PAIR = Network.of("class", "map", size=3)
INDEPENDENT = {"own_share": 1.0, "last_share": 1.0, "orthogonality": 0.0}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=160), TASKS)


def sluice(**parameters: Any) -> Recipe:
    return replace(BASE, sharing=Method("sluice", parameters))


def generic(encoder: str, n_tasks: int, **parameters: Any) -> SluiceSharing:
    network = network_of(sluice(**parameters), encoder, TASKS[:n_tasks], is_generic=True)
    assert isinstance(network, SluiceSharing)
    return network


def set_mixing(network: SluiceSharing, alpha: Tensor, beta: Tensor) -> None:
    with torch.no_grad():
        for matrix in network.alphas:
            matrix.copy_(alpha)
        for vector in network.betas:
            vector.copy_(beta)


def by_hand(network: SluiceSharing, task: int, inputs: Tensor) -> list[Tensor]:
    """Features of each stage of one task's own copies, unmixed."""
    features = []
    for copies in network.stages:
        inputs = cast(nn.ModuleList, copies)[task](inputs)
        features.append(inputs)
    return features


def test_with_nothing_mixed_tasks_train_as_alone(data: TrainingData) -> None:
    data = data.converted(torch.float64)  # the products are not those of a task alone: up to rounding
    recipe = sluice(**INDEPENDENT)
    together = Training(data, TrialRequest(PAIR, 5), recipe)
    for name, parameter in together.network.named_parameters():
        parameter.requires_grad_(not name.startswith(("alphas.", "betas.", "projections.")))
    while not together.is_finished:
        together.run_epoch()
    tasks = data.tasks_of(PAIR.group)
    widths = network_widths(recipe, build_encoder(recipe, data.n_features), tasks, PAIR.size)
    for score in together.evaluate().scores():
        alone = train_network(data, TrialRequest(Network.of(score.task), 5), replace(recipe, hidden=widths))
        (own,) = alone.scores
        assert score.task == own.task
        assert score.validation_loss == pytest.approx(own.validation_loss, rel=1e-9)
        assert score.test_loss == pytest.approx(own.test_loss, rel=1e-9)


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "transformer"])
@pytest.mark.parametrize("n_subspaces", [1, 2, 3])
def test_identity_and_last_stage_give_each_task_its_own_encoder(encoder: str, n_subspaces: int) -> None:
    network = generic(encoder, 3, n_subspaces=n_subspaces)
    set_mixing(network, torch.eye(3 * n_subspaces), torch.tensor([0.0, 1.0]))
    inputs = inputs_of(encoder, 4)
    for task, features in enumerate(network.features(inputs)):
        torch.testing.assert_close(features, by_hand(network, task, inputs)[-1])


@pytest.mark.parametrize("encoder", ["mlp", "convolutional", "transformer"])
def test_alphas_of_equal_rows_and_the_last_stage_give_all_tasks_the_same(encoder: str) -> None:
    network = generic(encoder, 3)
    alpha = torch.tensor([[0.1, 0.2], [0.3, 0.1]]).repeat(3, 3)
    set_mixing(network, alpha, torch.tensor([0.0, 1.0]))
    first, *others = network.features(inputs_of(encoder, 4))
    for other in others:
        torch.testing.assert_close(first, other)


def test_one_subspace_of_one_task_can_be_handed_to_another() -> None:
    one, other = torch.arange(8.0).reshape(2, 4), 10 + torch.arange(8.0).reshape(2, 4)
    alpha = torch.eye(4)
    alpha[1, 1], alpha[1, 2] = 0.0, 1.0  # the second half of the first task: the first half of the second
    mixed_one, mixed_other = mix_subspaces([one, other], alpha, 2)
    assert torch.equal(mixed_one, torch.cat((one[:, :2], other[:, :2]), dim=1))
    assert torch.equal(mixed_other, other)


@pytest.mark.parametrize("shape", [(2, 5), (2, 3, 5), (2, 5, 3, 3)])
@pytest.mark.parametrize("n_subspaces", [2, 3, 4, 8])
def test_channels_that_do_not_divide_evenly_keep_their_shape(
    shape: tuple[int, ...], n_subspaces: int
) -> None:
    features = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    for own, mixed in zip(
        features, mix_subspaces(features, torch.eye(2 * n_subspaces), n_subspaces), strict=True
    ):
        assert torch.equal(own, mixed)


def test_a_head_can_read_a_lower_stage_through_its_skip_connection() -> None:
    # The transformer's stages are of one shape, so the first one is read as it is.
    network = generic("transformer", 2)
    set_mixing(network, torch.eye(4), torch.tensor([1.0, 0.0]))
    inputs = inputs_of("transformer", 4)
    for task, features in enumerate(network.features(inputs)):
        torch.testing.assert_close(features, by_hand(network, task, inputs)[0])


def test_a_lower_stage_of_other_widths_and_positions_is_averaged_and_projected() -> None:
    network = generic("convolutional", 2)
    set_mixing(network, torch.eye(4), torch.tensor([1.0, 0.0]))
    inputs = inputs_of("convolutional", 4)
    for task, features in enumerate(network.features(inputs)):
        lower, last = by_hand(network, task, inputs)
        halved = nn.functional.avg_pool2d(lower, 2)
        projection = cast(nn.ModuleList, network.projections[task])[0]
        assert features.shape == last.shape
        torch.testing.assert_close(features, projection(halved))


def test_the_penalty_is_zero_where_subspaces_are_orthogonal_and_only_there() -> None:
    network = generic("mlp", 2, orthogonality=1.0)
    weights = [p for copies in network.stages for p in copies.parameters() if p.ndim > 1]
    with torch.no_grad():
        assert float(network.overlap()) > 0
        for matrix in weights:
            matrix.copy_(torch.eye(*matrix.shape))
        assert float(network.overlap()) == 0.0
        weights[0][0, -1] += 0.5  # within a subspace rows may overlap, across they must not
        weights[0][1, -1] += 0.5
        within = float(network.overlap())
        weights[0][0, 4] += 0.5
        assert float(network.overlap()) > within


def test_the_penalty_is_that_of_the_products_of_weight_matrices() -> None:
    network = generic("mlp", 2, orthogonality=0.5)
    expected = 0.0
    for copies in network.stages:
        for matrix in (p.detach() for p in copies.parameters() if p.ndim > 1):
            half = len(matrix) // 2
            expected += 0.5 * float((matrix[:half] @ matrix[half:].T).square().sum())
    with torch.no_grad():
        penalty = network.penalty()
    assert penalty is not None
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


def test_a_large_penalty_makes_the_subspaces_orthogonal(data: TrainingData) -> None:
    def overlap(strength: float) -> float:
        recipe = replace(sluice(orthogonality=strength), epochs=6, learning_rate=0.05)
        training = Training(data, TrialRequest(PAIR, 0), recipe)
        assert isinstance(training.network, SluiceSharing)
        while not training.is_finished:
            training.run_epoch()
        return float(training.network.overlap().detach())

    free, weak, strong = overlap(0.0), overlap(0.01), overlap(10.0)
    assert strong < weak < free
    assert strong < 0.2 * free


def test_embeddings_count_as_no_subspace() -> None:
    # As many tokens and positions as channels: the rows of the tables are no channels all the same.
    texts = Method("transformer", {"vocabulary": 4, "n_heads": 2, "max_length": 4})
    recipe = replace(sluice(), encoder=texts, hidden=(4, 4))
    network = build_network(recipe, Blueprint(build_encoder(recipe, 4), (4, 4), TASKS[:2]))
    assert isinstance(network, SluiceSharing)
    before = float(network.overlap().detach())
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                module.weight.mul_(3.0)
    assert float(network.overlap().detach()) == before


def test_own_heads_and_skips_are_not_shared() -> None:
    network = generic("mlp", 2)
    owners = {name.split(".")[0] for name in network.shared_parameters()}
    assert owners == {"stages", "alphas"}


def test_a_network_costs_encoders_mixing_and_skips() -> None:
    plain = multiply_adds(BASE, "mlp", TASKS)  # widths 6 and 4
    for n_tasks, n_subspaces in ((2, 2), (3, 2), (2, 1)):
        mixing = (n_tasks * n_subspaces) ** 2 * (6 + 4) // n_subspaces
        skips = n_tasks * (6 * 4 + 2 * 4)  # the projection of the first stage, the mixture of two
        found = multiply_adds(sluice(n_subspaces=n_subspaces), "mlp", TASKS[:n_tasks])
        assert found == n_tasks * plain + mixing + skips


def test_a_task_alone_has_nothing_to_mix() -> None:
    alone = network_of(sluice(), "mlp", TASKS[:1])
    hard = network_of(replace(BASE, sharing=Method("hard")), "mlp", TASKS[:1])
    inputs = inputs_of("mlp", 5)
    assert torch.equal(alone(inputs)[0], hard(inputs)[0])
    assert sum(p.numel() for p in alone.parameters()) == sum(p.numel() for p in hard.parameters())
