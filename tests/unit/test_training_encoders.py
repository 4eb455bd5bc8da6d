"""Laws that hold for every encoder: costs, sizes, initial weights, rows by themselves, and training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.training.cost import measure_costs, scaled_widths
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_encoder
from grouping.training.sharing.hard import HardSharing

ROWS, PIXELS = 60, 36
IMAGE = {"height": 6, "width": 6}
TASKS = (
    Task.multiclass("class", 3).reading(0),
    Task.regression("sum").reading(0, 1),
    Task.dense_map("map", PIXELS),
    Task.ranking("choice", 0, (1, 2)),
)
ALL = Network.of(*(task.name for task in TASKS))


@dataclass(frozen=True)
class Case:
    method: Method
    hidden: tuple[int, ...]

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.hidden, epochs=6, batch_size=20, learning_rate=0.01, encoder=self.method)


CASES = {
    "convolutional": Case(Method("convolutional", IMAGE), (4, 6)),
    "convolutional, strides": Case(
        Method("convolutional", IMAGE | {"pooling": "none", "grid": 1}), (4, 6, 6)
    ),
    "xception": Case(Method("xception", IMAGE), (4, 6)),
    "transformer": Case(
        Method("transformer", {"vocabulary": 9, "n_segments": 3, "n_heads": 2, "dropout": 0.1}), (8, 8)
    ),
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Rows that are images of 6 x 6 pixels as well as three texts of 12 tokens."""
    generator = np.random.default_rng(0)
    inputs = generator.integers(1, 9, (ROWS, PIXELS)).astype(np.float32)
    inputs[:, 10:12] = 0  # the first text is shorter
    means = inputs.reshape(ROWS, 3, 12).mean(axis=2)
    targets: dict[str, NDArray[Any]] = {
        "class": np.digitize(means[:, 0], np.quantile(means[:, 0], [0.3, 0.7])).astype(np.int64),
        "sum": means[:, :2].sum(axis=1, keepdims=True).astype(np.float32),
        "map": (inputs * inputs[:, :1]).astype(np.float32),
        "choice": (means[:, 1] > means[:, 2]).astype(np.int64),
    }
    parts = np.split(np.arange(ROWS, dtype=np.int64), [40, 50])
    return TrainingData.from_dataset(Dataset(inputs, targets, *parts), TASKS)


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_it_trains_and_its_loss_falls(data: TrainingData, case: Case) -> None:
    losses: list[float] = []
    outcome = train_network(
        data, TrialRequest(ALL, seed=0), case.recipe, on_epoch=lambda _, loss: losses.append(loss)
    )
    assert outcome.state is TrialState.SUCCEEDED
    assert losses[-1] < 0.95 * losses[0]


def test_equal_requests_give_equal_floats_also_after_a_stop(data: TrainingData, case: Case) -> None:
    request = TrialRequest(ALL, seed=1)
    uninterrupted = train_network(data, request, case.recipe)
    first = Training(data, request, case.recipe)
    for _ in range(2):
        first.run_epoch()
    second = Training(data, request, case.recipe)
    second.run_epoch()
    second.load_state_dict(first.state_dict())
    while not second.is_finished:
        second.run_epoch()
    assert second.evaluate().scores() == uninterrupted.scores


def test_groups_of_one_seed_start_from_the_same_encoder(data: TrainingData, case: Case) -> None:
    def stages(group: Network, seed: int) -> list[torch.Tensor]:
        network = Training(data, TrialRequest(group, seed), case.recipe).network
        assert isinstance(network, HardSharing)
        return list(network.stages.parameters())

    alone, together, other = stages(Network.of("class"), 3), stages(ALL, 3), stages(ALL, 4)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(alone, other, strict=True))


def test_a_row_is_answered_without_regard_to_the_other_rows(data: TrainingData, case: Case) -> None:
    training = Training(data, TrialRequest(ALL, seed=0), case.recipe)
    training.run_epoch()
    network = training.network.eval()
    rows = data.test.inputs[:5]
    with torch.no_grad():
        together = network(rows)
        alone = [network(row[None]) for row in rows]
    for number, outputs in enumerate(together):
        one_by_one = torch.cat([answers[number] for answers in alone])
        assert torch.allclose(outputs, one_by_one, atol=1e-5)


def test_affinities_can_be_measured_and_change_nothing(data: TrainingData, case: Case) -> None:
    recipe = replace(case.recipe, epochs=2)
    group = Network.of("class", "sum", "map")
    plain = train_network(data, TrialRequest(group, seed=0), recipe)
    measured = train_network(data, TrialRequest(group, seed=0, measures_affinity=True), recipe)
    assert measured.affinities is not None
    assert all(np.isfinite(values).all() for values in measured.affinities.values.values())
    assert measured.scores == plain.scores


def test_a_smaller_size_costs_at_most_its_share_and_a_larger_one_is_never_narrower(case: Case) -> None:
    encoder = build_encoder(case.recipe, PIXELS)
    sizes = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
    costs = measure_costs(PIXELS, TASKS, [Network.of("class", size=size) for size in sizes], case.recipe)
    assert all(cost.cost_snt <= size for cost, size in zip(costs, sizes, strict=True))
    assert [cost.cost_snt for cost in costs] == sorted(cost.cost_snt for cost in costs)
    widths = [scaled_widths(encoder, case.hidden, size) for size in sizes]
    for narrow, wide in pairwise(widths):
        assert all(a <= b for a, b in zip(narrow, wide, strict=True))
        encoder.check_widths(narrow)
    with pytest.raises(InvalidInputError, match="choose a larger size"):
        scaled_widths(encoder, case.hidden, 1e-4)


def test_scaling_by_one_changes_nothing(case: Case) -> None:
    assert build_encoder(case.recipe, PIXELS).scaled(case.hidden, Fraction(1)) == case.hidden


def test_building_draws_nothing_from_the_global_generator(data: TrainingData, case: Case) -> None:
    before = torch.get_rng_state()
    Training(data, TrialRequest(ALL, seed=0), case.recipe)
    assert torch.equal(torch.get_rng_state(), before)
