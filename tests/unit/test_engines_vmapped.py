"""Several seeds of one network as one, against each by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.training.data import Rows, TrainingData
from grouping.training.engines import Engine, train_networks
from grouping.training.engines.vmapped import VmappedTraining
from grouping.training.loop import Training, train_network
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(6, 6), epochs=3, batch_size=24, learning_rate=0.01, weight_decay=0.01)
DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
PRECISE = DATA.converted(torch.float64)
NETWORK = Network.of("class", "sum", "map")
SEEDS = [TrialRequest(NETWORK, seed) for seed in range(3)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("change", "n_epochs"),
    [
        ({}, 8),
        ({"optimiser": Method("sgd")}, 3),
        ({"sharing": Method("cross-stitch")}, 3),
        ({"sharing": Method("mtan")}, 3),
        ({"sharing": Method("soft")}, 3),
        ({"sharing": Method("conditioning-concat")}, 3),
    ],
)
def test_epochs_as_one_are_epochs_one_by_one(change: dict[str, Method], n_epochs: int) -> None:
    recipe = replace(RECIPE, epochs=n_epochs, **change)  # type: ignore[arg-type]
    together = VmappedTraining(PRECISE, SEEDS, recipe, [None] * 3)
    while together.epoch < together.n_epochs:
        losses = together.run_epoch()
    for member, request in enumerate(SEEDS):
        alone = Training(PRECISE, request, recipe)
        while not alone.is_finished:
            loss = alone.run_epoch()
        assert losses[member] == pytest.approx(loss, rel=1e-10)
        found, wanted = together.state_dict(member), alone.state_dict()
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-12)


def test_a_seed_that_diverges_leaves_the_others_alone() -> None:
    targets = {**DATA.train.targets, "sum": DATA.train.targets["sum"].clone()}
    targets["sum"][:] = math.nan
    broken = replace(DATA, train=Rows(DATA.train.inputs, targets))
    outcomes = train_networks(broken, SEEDS, RECIPE, engine=Engine.VMAP)
    assert {outcome.state for outcome in outcomes} == {TrialState.DIVERGED}
    start = Training(DATA, SEEDS[1], RECIPE).state_dict()
    name = "network.stages.0.0.bias"
    wild = [None, {**start, name: torch.full_like(start[name], 1e38)}, None]
    together, alone = (VmappedTraining(DATA, SEEDS, RECIPE, states) for states in (wild, [None] * 3))
    losses, healthy = together.run_epoch(), alone.run_epoch()
    assert not math.isfinite(losses[1])
    assert (losses[0], losses[2]) == (healthy[0], healthy[2])


@pytest.mark.parametrize(
    "change",
    [
        {"weighting": Method("uncertainty")},
        {"weighting": Method("mgda")},
        {"schedule": Method("sequential")},
    ],
)
def test_what_remembers_or_follows_several_gradients_is_trained_one_after_another(
    change: dict[str, Method],
) -> None:
    recipe = replace(RECIPE, **change)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="cannot be vectorised"):
        VmappedTraining(DATA, SEEDS[:2], recipe, [None] * 2)
    outcomes = train_networks(DATA, SEEDS[:2], recipe, engine=Engine.VMAP)
    references = [train_network(DATA, request, recipe) for request in SEEDS[:2]]
    assert [outcome.scores for outcome in outcomes] == [outcome.scores for outcome in references]


def test_a_network_that_changes_what_it_computes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from grouping.training.sharing.hard import HardSharing

    calls: list[int] = []
    features = HardSharing.features

    def fickle(self: HardSharing, inputs: torch.Tensor) -> list[torch.Tensor]:
        calls.append(1)
        return [len(calls) * part for part in features(self, inputs)]

    monkeypatch.setattr(HardSharing, "features", fickle)
    with pytest.raises(TrainingError, match="not the same"):
        VmappedTraining(DATA, SEEDS, RECIPE, [None] * 3)


def test_networks_of_different_groups_are_not_trained_as_one() -> None:
    with pytest.raises(TrainingError, match="one group"):
        VmappedTraining(DATA, [SEEDS[0], TrialRequest(Network.of("sum"), 0)], RECIPE, [None] * 2)
