"""What comes before a training counts, can be stopped, and is not repeated where a training goes on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.recipes import epochs_of
from grouping.recipes.registry import discover_methods
from grouping.training.checkpoints import CheckpointFolder, CheckpointKeeper
from grouping.training.data import TrainingData
from grouping.training.engines import train_networks
from grouping.training.loop import Training, train_network
from tests.plug_ins import install
from tests.unit.test_training_loop import TASKS, make_dataset

SPARSE = Method("sparse", {"rounds": 1, "rate": 0.4, "round_epochs": 0.5})
WIDENING = Method("adaptive-widening", {"thin_epochs": 0.75})
BASE = Recipe(hidden=(8, 6), epochs=4, batch_size=50, learning_rate=0.02)
PAIR = Network.of("class", "sum", size=2.0)
PREPARED = {"sparse": 2 * 2 * 2, "adaptive-widening": 3}
"""Epochs that a pair is prepared for under `recipe_of`: two tasks, two rounds of two epochs each; three."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.from_dataset(make_dataset(rows=120), TASKS)


@pytest.fixture(params=[SPARSE, WIDENING], ids=str)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return replace(BASE, sharing=request.param)


class StopAfter:
    """Says stop when it has been asked so many times, and counts."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self._times


def test_a_declaration_counts_the_epochs_of_its_preparation(recipe: Recipe) -> None:
    assert epochs_of(recipe)(1, 1.0) == recipe.epochs
    assert epochs_of(recipe)(2, 1.0) == recipe.epochs + PREPARED[recipe.sharing.name]
    assert epochs_of(recipe)(2, 1.0) == PREPARED[recipe.sharing.name] + 4
    assert epochs_of(recipe)(2, 0.5) == PREPARED[recipe.sharing.name] + 2, "it is not shorter in a short pass"
    assert epochs_of(BASE)(5, 0.5) == 2


def test_by_default_a_sparse_network_prepares_for_a_training_per_task_and_widening_for_a_fifth() -> None:
    sparse, widening = (
        replace(BASE, epochs=30, sharing=Method(name)) for name in ("sparse", "adaptive-widening")
    )
    assert epochs_of(sparse)(5, 1.0) == sparse.epochs + 5 * 30
    assert epochs_of(widening)(5, 1.0) == widening.epochs + 6


ODD = """
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Odd:
    name: ClassVar[str] = "odd"
    title: ClassVar[str] = "Odd"
    description: ClassVar[str] = "Counts nonsense."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "nowhere:Odd"
    minus: int = 0

    def preparation_epochs(self, n_tasks, recipe):
        return -1 if self.minus else 2.5
"""


@pytest.mark.parametrize("minus", [0, 1])
def test_a_method_that_counts_nonsense_is_named(
    minus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, "odd-sharing", ODD, "[mtl_grouping.sharing]\nodd = odd_sharing:Odd")
    discover_methods.cache_clear()
    try:
        recipe = replace(BASE, sharing=Method("odd", {"minus": minus}))
        with pytest.raises(InvalidInputError, match=r"'odd' says that it prepares .* must give a whole"):
            epochs_of(recipe)(2, 1.0)
    finally:
        sys.modules.pop("odd_sharing", None)
        discover_methods.cache_clear()


def test_an_outcome_tells_the_epochs_of_its_preparation_too(data: TrainingData, recipe: Recipe) -> None:
    request = TrialRequest(PAIR, 0)
    wanted = epochs_of(recipe)(2, 1.0)
    (many,) = train_networks(data, [request], recipe)
    assert (many.state, many.epochs) == (TrialState.SUCCEEDED, wanted)
    one = train_network(data, request, recipe)
    assert (one.epochs, one.scores) == (wanted, many.scores)


def test_a_training_is_stopped_in_its_preparation(data: TrainingData, recipe: Recipe) -> None:
    request = TrialRequest(PAIR, 0)
    trained: list[int] = []
    stop = StopAfter(2)
    outcome = train_network(
        data, request, recipe, should_stop=stop, on_epoch=lambda epoch, loss: trained.append(epoch)
    )
    assert (outcome.state, outcome.epochs, stop.asked) == (TrialState.FAILED, 2, 3)
    stop = StopAfter(2)
    (outcome,) = train_networks(
        data, [request], recipe, should_stop=stop, on_epoch=lambda _, epoch, loss: trained.append(epoch)
    )
    assert (outcome.state, outcome.epochs, stop.asked) == (TrialState.FAILED, 2, 3)
    assert trained == [], "it was not yet begun"


def test_epochs_of_the_preparation_are_told_to_nobody_who_follows_the_loss(
    data: TrainingData, recipe: Recipe
) -> None:
    told: list[int] = []
    train_network(data, TrialRequest(PAIR, 0), recipe, on_epoch=lambda epoch, loss: told.append(epoch))
    train_networks(data, [TrialRequest(PAIR, 0)], recipe, on_epoch=lambda _, epoch, loss: told.append(epoch))
    assert told == [1, 2, 3, 4] * 2


@pytest.mark.parametrize(
    ("method", "stopped_after", "repeated"),
    [
        (SPARSE, 2, 2),  # in the first task
        (SPARSE, 4, 4),  # at its end, before its mask is chosen
        (SPARSE, 5, 1),  # in the second task: the first has its mask
        (SPARSE, 8, 4),
        (SPARSE, 10, 0),  # in the training itself
        (WIDENING, 2, 2),
        (WIDENING, 5, 0),
    ],
    ids=str,
)
def test_what_was_killed_goes_on_with_the_same_floats_and_repeats_one_task_at_most(
    data: TrainingData, tmp_path: Path, method: Method, stopped_after: int, repeated: int
) -> None:
    recipe = replace(BASE, sharing=method)
    request = TrialRequest(PAIR, 3)
    folder = CheckpointFolder(tmp_path, "0f", TASKS, recipe)

    def keeper() -> CheckpointKeeper:
        return CheckpointKeeper(folder, [request], recipe, interval_s=0.0)

    train_networks(data, [request], recipe, keeper=keeper(), should_stop=StopAfter(stopped_after))
    late, count = keeper(), StopAfter(10**9)
    (outcome,) = train_networks(data, [request], recipe, keeper=late, should_stop=count)
    assert outcome.scores == train_network(data, request, recipe).scores
    assert late.with_own_epochs(request, outcome).epochs == epochs_of(recipe)(2, 1.0)
    assert count.asked == epochs_of(recipe)(2, 1.0) - stopped_after + repeated


def test_a_full_training_pays_no_preparation_where_a_short_one_did(
    data: TrainingData, tmp_path: Path, recipe: Recipe
) -> None:
    short = TrialRequest(PAIR, 0, fidelity=0.5)
    whole = replace(short, fidelity=1.0)
    folder = CheckpointFolder(tmp_path, "0f", TASKS, recipe)
    early = CheckpointKeeper(folder, [short], recipe)
    (outcome,) = train_networks(data, [short], recipe, keeper=early)
    assert early.with_own_epochs(short, outcome).epochs == epochs_of(recipe)(2, 0.5)
    late = CheckpointKeeper(folder, [whole], recipe)
    (outcome,) = train_networks(data, [whole], recipe, keeper=late)
    assert late.with_own_epochs(whole, outcome).epochs == 2
    assert outcome.scores == train_network(data, whole, recipe).scores


def test_a_short_training_does_not_go_on_from_a_longer_one_however_it_was_prepared(
    data: TrainingData, tmp_path: Path, recipe: Recipe
) -> None:
    whole = TrialRequest(PAIR, 0)
    folder = CheckpointFolder(tmp_path, "0f", TASKS, recipe)
    keeper = CheckpointKeeper(folder, [whole], recipe, interval_s=0.0)
    stop = StopAfter(PREPARED[recipe.sharing.name] + 3)
    train_networks(data, [whole], recipe, keeper=keeper, should_stop=stop)
    checkpoint = folder.read(whole)
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.trained) == (PREPARED[recipe.sharing.name] + 3, 3)
    assert folder.read(replace(whole, fidelity=0.5)) is None


@pytest.mark.parametrize("weighting", ["pcgrad", "gradnorm"])
def test_what_is_shared_is_known_where_a_training_goes_on(data: TrainingData, weighting: str) -> None:
    """The weights of gradients look at shared parameters, which the preparation decides."""
    recipe = replace(
        BASE, sharing=Method("adaptive-widening", {"n_branches": 3}), weighting=Method(weighting), epochs=3
    )
    request = TrialRequest(Network.of("class", "sum", "sign", "map", size=4.0), 1)
    first = Training(data, request, recipe)
    first.run_epoch()
    second = Training(data, request, recipe)
    second.load_state_dict(first.state_dict())
    assert second.spent == first.spent == 2
    for training in (first, second):
        while not training.is_finished:
            training.run_epoch()
    assert first.evaluate() == second.evaluate()
