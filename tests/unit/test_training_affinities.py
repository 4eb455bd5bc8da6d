"""Affinities measured inside a training: formulas by hand and by finite differences, and no trace left."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, JointAffinities
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.training.affinities import (
    AffinityMeter,
    first_order,
    measured_affinities,
    measuring_interval,
    sample_overlap,
)
from grouping.training.data import TrainingData
from grouping.training.loop import Training, train_network
from tests.unit.test_training_loop import ALL, RECIPE, TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(), TASKS)


def measure(data: TrainingData, seed: int = 0, recipe: Recipe = RECIPE) -> JointAffinities:
    outcome = train_network(data, TrialRequest(ALL, seed, measures_affinity=True), recipe)
    assert outcome.affinities is not None
    return outcome.affinities


def test_measuring_changes_no_score_and_no_weight(data: TrainingData) -> None:
    request = TrialRequest(ALL, seed=4)
    torch.manual_seed(1)
    plain, measured = (
        Training(data, replace(request, measures_affinity=measures), RECIPE) for measures in (False, True)
    )
    for _ in range(RECIPE.epochs):
        before = torch.random.get_rng_state()
        assert plain.run_epoch() == measured.run_epoch()
        assert torch.equal(before, torch.random.get_rng_state()), "no random number is drawn"
    assert measured.affinities() is not None
    assert plain.affinities() is None
    assert plain.evaluate().scores() == measured.evaluate().scores()
    states = plain.state_dict(), measured.state_dict()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert {key for key in states[1] if key not in states[0]} == {
        "affinity.sums",
        "affinity.counts",
        "affinity.n_measured",
    }


def test_equal_requests_measure_equal_floats_and_a_continued_training_does_too(data: TrainingData) -> None:
    first, again, other = measure(data), measure(data), measure(data, seed=1)
    request = TrialRequest(ALL, seed=0, measures_affinity=True)
    begun, continued = (Training(data, request, RECIPE) for _ in range(2))
    for _ in range(3):
        begun.run_epoch()
    continued.load_state_dict(begun.state_dict())
    while not continued.is_finished:
        continued.run_epoch()
    found = continued.affinities()
    assert found is not None
    for method in GRADIENT_METHODS:
        assert np.array_equal(first.values[method], again.values[method])
        assert np.array_equal(first.values[method], found.values[method])
        assert not np.array_equal(first.values[method], other.values[method])
    assert first.n_steps == found.n_steps


def test_every_task_is_measured_on_every_other_in_the_order_of_the_tasks(data: TrainingData) -> None:
    found = measure(data)
    assert found.tasks == tuple(task.name for task in TASKS)
    assert set(found.values) == set(GRADIENT_METHODS)
    assert all(np.isfinite(values).all() for values in found.values.values())
    assert (np.diag(found.values["tag"]) > 0).all(), "a task's own gradient step lowers its loss"
    assert np.diag(found.values["cosine"]) == pytest.approx(1.0)
    assert found.values["cosine"] == pytest.approx(found.values["cosine"].T)
    assert np.array_equal(found.sample_overlap, np.ones((4, 4)))


def test_the_number_of_measured_steps_is_bounded() -> None:
    assert [measuring_interval(n) for n in (1, 19, 40, 199, 200, 10_000)] == [1, 1, 2, 9, 10, 10]


def test_measured_steps_are_those_of_the_interval(data: TrainingData) -> None:
    n_steps = RECIPE.epochs * -(-len(data.train) // RECIPE.batch_size)
    assert measure(data).n_steps == -(-n_steps // measuring_interval(n_steps))


class Tiny:
    """A network of one hidden unit layer with its meter, at the first batch of the training rows."""

    def __init__(self, data: TrainingData, learning_rate: float = 0.01, epochs: int = 0) -> None:
        self.recipe = Recipe(hidden=(3,), epochs=4, batch_size=50, learning_rate=learning_rate)
        self.training = Training(data, TrialRequest(Network.of("class", "sum", "map"), 0), self.recipe)
        for _ in range(epochs):
            self.training.run_epoch()
        self.network = self.training.network
        self.normalisations = list(self.training._normalisations.values())
        self.optimiser = self.training._optimiser
        self.optimiser.param_groups[0]["lr"] = learning_rate
        self.meter = AffinityMeter(self.network, self.normalisations, self.optimiser, 1)
        self.data = data
        self.rows = data.train.inputs[:50]
        self.targets = [data.train.targets[name][:50] for name in self.network.task_names]
        self.step = epochs * -(-len(data.train) // 50)

    def losses(self, network: torch.nn.Module | None = None) -> list[Tensor]:
        outputs = (self.network if network is None else network)(self.rows)
        return [
            n.loss(output, target)
            for n, output, target in zip(self.normalisations, outputs, self.targets, strict=True)
        ]

    def losses_after(self, update: Tensor) -> np.ndarray:
        """By hand: a copy of the network in double precision, its shared weights moved one by one."""
        moved = copy.deepcopy(self.network).double()
        start = 0
        with torch.no_grad():
            for weight in moved.shared_parameters().values():
                weight.sub_(update[start : start + weight.numel()].double().reshape(weight.shape))
                start += weight.numel()
            outputs = moved(self.rows.double())
            return np.array(
                [
                    float(n.loss(o, t.double() if t.is_floating_point() else t))
                    for n, o, t in zip(self.normalisations, outputs, self.targets, strict=True)
                ]
            )

    def observe(self) -> JointAffinities:
        self.meter.observe(self.step, self.rows, self.targets, self.losses())
        found = measured_affinities(self.network, self.meter, self.data.train)
        assert found is not None
        return found


def test_a_gradient_is_the_finite_difference_of_its_loss(data: TrainingData) -> None:
    tiny = Tiny(data)
    gradients = tiny.meter.shared_gradients(tiny.losses())
    for k in range(gradients.shape[1]):
        nudge = torch.zeros(gradients.shape[1])
        nudge[k] = 1e-4
        difference = (tiny.losses_after(-nudge) - tiny.losses_after(nudge)) / 2e-4
        assert gradients[:, k].numpy() == pytest.approx(difference, abs=1e-3)


def test_tag_is_the_relative_change_after_a_gradient_step_of_the_source(data: TrainingData) -> None:
    tiny = Tiny(data, learning_rate=0.05)
    found = tiny.observe().values["tag"]
    gradients = tiny.meter.shared_gradients(tiny.losses())
    before = tiny.losses_after(torch.zeros(gradients.shape[1]))
    expected = np.array([1.0 - tiny.losses_after(0.05 * g) / before for g in gradients])
    assert found == pytest.approx(expected, abs=1e-6)
    assert not np.allclose(expected, expected.T, atol=1e-4), "source and target are told apart"


def test_cosines_are_those_of_the_flattened_gradients(data: TrainingData) -> None:
    tiny = Tiny(data)
    found = tiny.observe().values["cosine"]
    g = tiny.meter.shared_gradients(tiny.losses()).double().numpy()
    for i in range(3):
        for j in range(3):
            expected = g[i] @ g[j] / (np.linalg.norm(g[i]) * np.linalg.norm(g[j]))
            assert found[i, j] == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [0, 2])
def test_first_order_is_the_look_ahead_of_adams_update_for_a_small_step(
    data: TrainingData, epochs: int
) -> None:
    tiny = Tiny(data, learning_rate=1e-5, epochs=epochs)
    found = tiny.observe().values["first-order"]
    updates = tiny.meter.updates(tiny.meter.shared_gradients(tiny.losses()), tiny.step)
    before = tiny.losses_after(torch.zeros(updates.shape[1]))
    looked = np.array([1.0 - tiny.losses_after(u) / before for u in updates])
    assert np.abs(looked).max() > 1e-6
    assert found == pytest.approx(looked, rel=0.02, abs=1e-8)


def test_the_updates_of_the_tasks_add_up_to_what_adam_does_without_its_momentum(data: TrainingData) -> None:
    tiny = Tiny(data, epochs=1)
    tiny.optimiser.param_groups[0]["betas"] = (0.0, tiny.optimiser.param_groups[0]["betas"][1])
    for state in tiny.optimiser.state.values():
        state["exp_avg"].zero_()
    updates = tiny.meter.updates(tiny.meter.shared_gradients(tiny.losses()), tiny.step)
    before = torch.cat([w.detach().flatten().clone() for w in tiny.network.shared_parameters().values()])
    tiny.optimiser.zero_grad()
    torch.stack(tiny.losses()).sum().backward()  # type: ignore[no-untyped-call]
    tiny.optimiser.step()
    after = torch.cat([w.detach().flatten() for w in tiny.network.shared_parameters().values()])
    assert (before - after).numpy() == pytest.approx(updates.sum(dim=0).numpy(), rel=2e-4, abs=1e-8)


def test_first_order_divides_by_the_loss_of_the_target() -> None:
    gradients = torch.tensor([[1.0, 0.0], [2.0, 3.0]])
    updates = torch.tensor([[0.5, 0.5], [-1.0, 0.0]])
    losses = torch.tensor([2.0, 4.0], dtype=torch.float64)
    assert first_order(gradients, updates, losses).tolist() == [[0.25, 2.5 / 4], [-0.5, -0.5]]


def test_the_overlap_counts_rows_with_both_labels_among_those_with_either() -> None:
    nan = float("nan")
    a = torch.tensor([[0.0], [1.0], [nan], [nan]])
    b = torch.tensor([[0.0, 1.0], [nan, 1.0], [2.0, 2.0], [nan, nan]])
    nothing = torch.full((4, 1), nan)
    numbers = torch.tensor([0, 1, 2, 1])
    overlap = sample_overlap([a, b, nothing, numbers])
    assert overlap[0, 1] == overlap[1, 0] == pytest.approx(2 / 3), "a row that is labelled in part counts"
    assert overlap[0, 3] == pytest.approx(2 / 4)
    assert overlap[2].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert torch.diag(overlap).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_training_that_diverges_has_no_affinities(data: TrainingData) -> None:
    request = TrialRequest(ALL, seed=0, measures_affinity=True)
    outcome = train_network(data, request, replace(RECIPE, learning_rate=1e30))
    assert (outcome.state, outcome.affinities) == (TrialState.DIVERGED, None)


def test_a_network_of_one_task_measures_its_own_effect_alone(data: TrainingData) -> None:
    outcome = train_network(data, TrialRequest(Network.of("sum"), 0, measures_affinity=True), RECIPE)
    assert outcome.affinities is not None
    assert outcome.affinities.values["tag"].shape == (1, 1)


def test_a_map_and_a_flag_are_looked_ahead_at_as_well() -> None:
    tasks = (Task.dense_map("map", 4), Task.binary("sign"))
    small = TrainingData.from_dataset(make_dataset(), tasks)
    outcome = train_network(small, TrialRequest(Network.of("map", "sign"), 0, measures_affinity=True), RECIPE)
    assert outcome.affinities is not None
    assert np.isfinite(outcome.affinities.values["tag"]).all()
