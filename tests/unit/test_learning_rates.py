"""Learning-rate schedules against PyTorch's own, and in every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.optim import lr_scheduler

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, divide, train_networks
from grouping.training.learning_rates import LearningRateSchedule
from grouping.training.loop import Training
from grouping.training.methods import build_learning_rates
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(6, 6), epochs=12, batch_size=64, learning_rate=0.02)
DATA = TrainingData.from_dataset(make_dataset(rows=200), TASKS)
REQUEST = TrialRequest(Network.of("class", "sum"), 0)

pytestmark = pytest.mark.usefixtures("one_thread")


def rates(name: str, **parameters: object) -> LearningRateSchedule:
    return build_learning_rates(replace(RECIPE, learning_rate_schedule=Method(name, parameters)))


def optimiser() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def stepped(scheduler: lr_scheduler.LRScheduler, owner: torch.optim.Optimizer, n: int) -> list[float]:
    found = []
    for _ in range(n):
        found.append(owner.param_groups[0]["lr"])
        owner.step()
        scheduler.step()
    return found


def test_cosine_and_one_cycle_are_those_of_pytorch() -> None:
    n = 40
    owner = optimiser()
    wanted = stepped(lr_scheduler.CosineAnnealingLR(owner, n), owner, n)
    assert [rates("cosine").factor(step / 4, n // 4) for step in range(n)] == pytest.approx(wanted)
    owner = optimiser()
    # PyTorch's ends with its last step, and this one with the end of the last epoch: one step more.
    cycle = lr_scheduler.OneCycleLR(owner, 1.0, total_steps=n + 1, pct_start=11 / 41, div_factor=10)
    own = rates("one-cycle", rising_share=10 / 40, start_divisor=10)
    assert [own.factor(step / 4, n // 4) for step in range(n)] == pytest.approx(stepped(cycle, owner, n))
    assert {rates("constant").factor(step, n) for step in range(n)} == {1.0}


def test_a_plateau_lowers_the_rate_and_goes_on_from_a_state() -> None:
    losses = [1.0, 0.9, 0.95, 0.91, 0.92, 0.8, 0.81, 0.82, 0.83]
    owner = optimiser()
    reference = lr_scheduler.ReduceLROnPlateau(owner, factor=0.5, patience=1)
    own = rates("plateau", factor=0.5, patience=1)
    seen = []
    for loss in losses:
        reference.step(loss)
        own.end_epoch(loss)
        state, own = own.state_dict(), rates("plateau", factor=0.5, patience=1)
        own.load_state_dict(state)
        seen.append(own.factor(0, 1))
        assert seen[-1] == owner.param_groups[0]["lr"]
    assert seen[0] == 1.0
    assert seen[-1] == 0.25


@pytest.mark.parametrize("name", ["constant", "one-cycle", "plateau"])
def test_a_training_that_goes_on_has_the_bits_of_one_that_never_stopped(name: str) -> None:
    parameters = {"patience": 0, "threshold": 0.5} if name == "plateau" else {}
    recipe = replace(RECIPE, learning_rate_schedule=Method(name, parameters))
    whole, resumed = Training(DATA, REQUEST, recipe), Training(DATA, REQUEST, recipe)
    losses = [whole.run_epoch() for _ in range(3)]
    assert [resumed.run_epoch() for _ in range(3)] == losses
    resumed = Training(DATA, REQUEST, recipe)
    resumed.load_state_dict(whole.state_dict())
    assert [resumed.run_epoch() for _ in range(3)] == [whole.run_epoch() for _ in range(3)]
    assert losses[-1] != Training(DATA, REQUEST, RECIPE).run_epoch()
    if name == "plateau":
        assert whole.rates.factor(0, 1) < 1


def test_a_plateau_is_trained_one_by_one_and_all_others_in_stacks() -> None:
    requests = [replace(REQUEST, network=Network.of(name)) for name in ("class", "sum")]
    for name, engine in (("one-cycle", Engine.STACKED), ("plateau", Engine.SEQUENTIAL)):
        recipe = replace(RECIPE, epochs=2, learning_rate_schedule=Method(name))
        assert {share.engine for share in divide(DATA, requests, recipe)} == {engine}
        outcomes = train_networks(DATA, requests, recipe)
        assert [outcome.state for outcome in outcomes] == [TrialState.SUCCEEDED] * 2
