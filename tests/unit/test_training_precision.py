"""Training in bfloat16: what is computed in it, what is not, and how little it changes."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Part, Precision, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.problems.registry import get_problem
from grouping.recipes import list_methods
from grouping.training.data import Rows, TrainingData
from grouping.training.engines import Engine, divide, train_networks
from grouping.training.engines.vmapped import VmappedTraining
from grouping.training.loop import Training, train_network
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(8, 8), epochs=6, batch_size=24, learning_rate=0.01, precision=Precision.BFLOAT16)
DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
ALL = Network.of(*(task.name for task in TASKS))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def images() -> TrainingData:
    """Few rows of the digits, for convolutions."""
    problem = get_problem("digits")
    data = TrainingData.from_dataset(problem.load(0), problem.tasks[:2])

    def some(part: Rows) -> Rows:
        return Rows(part.inputs[:384], {name: target[:384] for name, target in part.targets.items()})

    return replace(data, train=some(data.train), validation=some(data.validation), test=some(data.test))


def seen_by(module: nn.Module) -> list[tuple[torch.dtype, torch.dtype]]:
    """Types of what goes into a module and of what comes out, filled at every call."""
    seen: list[tuple[torch.dtype, torch.dtype]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((inputs[0].dtype, output.dtype))

    module.register_forward_hook(note)
    return seen


def test_layers_compute_in_bfloat16_in_training_and_in_nothing_else() -> None:
    training = Training(DATA, TrialRequest(ALL, 0), RECIPE)
    layer = next(module for module in training.network.modules() if isinstance(module, nn.Linear))
    of_layer, of_head = seen_by(layer), seen_by(training.network.heads[0])
    training.run_epoch()
    assert {output for _, output in of_layer} == {torch.bfloat16}
    assert set(of_head) == {(torch.float32, torch.float32)}
    of_layer.clear()
    training.evaluate()
    assert {output for _, output in of_layer} == {torch.float32}


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_losses_fall_while_all_that_is_remembered_stays_single_precision(optimiser: str) -> None:
    recipe = replace(RECIPE, optimiser=Method(optimiser), learning_rate=0.03)
    training = Training(DATA, TrialRequest(ALL, 0), recipe)
    losses = [training.run_epoch() for _ in range(recipe.epochs)]
    assert losses[-1] < 0.9 * losses[0]
    kinds = {value.dtype for name, value in training.state_dict().items() if name != "epoch"}
    assert kinds == {torch.float32}


def test_the_difference_is_smaller_than_that_between_two_seeds(images: TrainingData) -> None:
    recipe = Recipe(
        hidden=(6, 12), epochs=8, batch_size=16, learning_rate=0.01, encoder=Method("convolutional")
    )
    network = Network.of(*(task.name for task in images.tasks))
    losses = np.array(
        [
            [
                [score.validation_loss for score in train_network(images, request, chosen).scores]
                for request in (TrialRequest(network, seed) for seed in range(4))
            ]
            for chosen in (recipe, replace(recipe, precision=Precision.BFLOAT16))
        ]
    )
    single, reduced = losses
    assert (reduced.mean(axis=0) < 0.95).all(), "better than a constant"
    difference = np.abs(reduced - single).mean(axis=0)
    assert (difference > 0).all()
    assert (difference < 0.5 * single.std(axis=0, ddof=1)).all()


METHODS = [(part, method.name) for part in (Part.SHARING, Part.WEIGHTING) for method in list_methods(part)]


@pytest.mark.parametrize(("part", "name"), METHODS, ids=[f"{part} {name}" for part, name in METHODS])
def test_every_method_of_sharing_and_weighting_is_trained_in_it(part: Part, name: str) -> None:
    recipe = replace(RECIPE, epochs=2, batch_size=64, **{part.value: Method(name)})  # type: ignore[arg-type]
    outcome = train_network(DATA, TrialRequest(Network.of("class", "sum"), 0), recipe)
    assert (outcome.state, outcome.error) == (TrialState.SUCCEEDED, None)


def test_seeds_as_one_begin_as_each_by_itself() -> None:
    requests = [TrialRequest(ALL, seed) for seed in range(3)]
    together = VmappedTraining(DATA, requests, RECIPE, [None] * 3).run_epoch()
    for loss, request in zip(together, requests, strict=True):
        assert loss == pytest.approx(Training(DATA, request, RECIPE).run_epoch(), rel=0.02)


def test_reduced_networks_are_not_stacked() -> None:
    request = TrialRequest(ALL, 0)
    assert {share.engine for share in divide(DATA, [request], RECIPE)} == {Engine.SEQUENTIAL}
    with pytest.raises(InvalidInputError, match="float32"):
        train_networks(DATA, [request], RECIPE, engine=Engine.STACKED)


def test_equal_requests_have_equal_outcomes() -> None:
    first, second = (train_network(DATA, TrialRequest(ALL, 1), RECIPE) for _ in range(2))
    assert first.state is TrialState.SUCCEEDED
    assert first.scores == second.scores


def test_a_training_goes_on_from_its_state() -> None:
    whole = Training(DATA, TrialRequest(ALL, 0), RECIPE)
    begun, resumed = (Training(DATA, TrialRequest(ALL, 0), RECIPE) for _ in range(2))
    losses = [whole.run_epoch() for _ in range(3)]
    begun.run_epoch()
    resumed.load_state_dict(begun.state_dict())
    assert [resumed.run_epoch() for _ in range(2)] == losses[1:]


def test_a_precision_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="float32, bfloat16, float16") as caught:
        Recipe.from_mapping({"precision": "float8"})
    assert caught.value.pointer == "/precision"


def test_a_recipe_keeps_its_precision_and_an_older_one_has_single_precision() -> None:
    stored = asdict(RECIPE) | {"precision": "bfloat16"}
    assert Recipe.from_mapping(stored) == RECIPE
    del stored["precision"]
    assert Recipe.from_mapping(stored).precision is Precision.FLOAT32
