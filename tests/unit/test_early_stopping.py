"""Early stopping, clipping and augmentation: the same in every engine, whatever is trained beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from grouping.domain.networks import Network, list_candidates
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Precision, Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.recipes import check_trainable
from grouping.training.checkpoints import CheckpointFolder
from grouping.training.clipping import clip_members
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, train_networks
from grouping.training.engines.stacked import StackedTraining
from grouping.training.evaluation import validation_loss
from grouping.training.loop import Training, train_network
from tests.unit.test_training_loop import TASKS, make_dataset

DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
PRECISE = DATA.converted(torch.float64)
NAMES = [task.name for task in TASKS]
# A rate at which some networks get worse soon, and others do not.
STOPS = Recipe(
    hidden=(24,),
    epochs=16,
    batch_size=24,
    learning_rate=0.03,
    patience=2,
    gradient_clip=0.5,
    learning_rate_schedule=Method("constant"),
    augmentation=Method("noise", {"deviation": 0.2}),
)
REQUESTS = [TrialRequest(network, 0) for network in list_candidates(NAMES, max_group_size=2)]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def together() -> tuple[TrialOutcome, ...]:
    torch.set_num_threads(1)
    return train_networks(DATA, REQUESTS, STOPS)


def same(one: Sequence[TrialOutcome], other: Sequence[TrialOutcome]) -> bool:
    return [(o.scores, o.epochs) for o in one] == [(o.scores, o.epochs) for o in other]


def test_a_training_ends_and_is_scored_with_its_best_weights() -> None:
    training = Training(DATA, REQUESTS[0], STOPS)
    losses = []
    while not training.is_finished:
        training.run_epoch()
        training.network.eval()
        losses.append(validation_loss(DATA, training.normalisations, training.network))
    best = losses.index(min(losses)) + 1
    assert training.epoch == best + STOPS.patience < STOPS.epochs
    short = Training(DATA, REQUESTS[0], replace(STOPS, patience=0))
    for _ in range(best):
        short.run_epoch()
    assert training.evaluate() == short.evaluate()
    assert training.evaluate() == training.evaluate(), "it keeps its last weights too"


def test_stacked_networks_stop_by_themselves_as_one_by_one(together: tuple[TrialOutcome, ...]) -> None:
    assert len({outcome.epochs for outcome in together}) > 2
    precise = train_networks(PRECISE, REQUESTS, STOPS)
    for request, outcome in zip(REQUESTS, precise, strict=True):
        alone = train_network(PRECISE, request, STOPS)
        assert outcome.epochs == alone.epochs
        for score, wanted in zip(outcome.scores, alone.scores, strict=True):
            assert score.validation_loss == pytest.approx(wanted.validation_loss, rel=1e-8)
            assert score.test_loss == pytest.approx(wanted.test_loss, rel=1e-8)


def test_a_network_gets_the_same_bits_whatever_stops_beside_it(together: tuple[TrialOutcome, ...]) -> None:
    for chosen in ([0], [9, 3], [5, 8, 1, 2, 7]):
        found = train_networks(DATA, [REQUESTS[n] for n in chosen], STOPS)
        assert same(found, [together[n] for n in chosen])


@pytest.mark.parametrize("engine", [Engine.STACKED, Engine.SEQUENTIAL])
def test_a_training_goes_on_from_its_state_with_the_same_bits(engine: Engine) -> None:
    saved: dict[TrialRequest, Mapping[str, torch.Tensor]] = {}

    class Keeper:
        def __init__(self, at: int) -> None:
            self.at = at

        def load(self, request: TrialRequest) -> Mapping[str, torch.Tensor] | None:
            return saved.get(request)

        def is_due(self, epoch: int) -> bool:
            return epoch == self.at

        def save(self, request: TrialRequest, state: Mapping[str, torch.Tensor], epoch: int) -> None:
            saved[request] = state

        def ended(self, request: TrialRequest, weights: Callable[[], Mapping[str, torch.Tensor]]) -> None:
            pass

    some = REQUESTS[3:6]
    whole = train_networks(DATA, some, STOPS, engine=engine, keeper=Keeper(3))
    assert len(saved) == 3
    assert same(train_networks(DATA, some, STOPS, engine=engine, keeper=Keeper(99)), whole)


def test_seeds_trained_as_one_stop_by_themselves() -> None:
    recipe = replace(STOPS, augmentation=Method("none"), sharing=Method("cross-stitch"))
    requests = [TrialRequest(Network.of("class", "sum"), seed) for seed in range(3)]
    found = train_networks(PRECISE, requests, recipe, engine=Engine.VMAP)
    alone = [train_network(PRECISE, request, recipe) for request in requests]
    assert [outcome.epochs for outcome in found] == [outcome.epochs for outcome in alone]
    for outcome, wanted in zip(found, alone, strict=True):
        losses = [score.validation_loss for score in outcome.scores]
        assert losses == pytest.approx([score.validation_loss for score in wanted.scores], rel=1e-8)


def test_members_are_clipped_as_pytorch_clips_each() -> None:
    segments = [torch.randn(3, 4, 5), torch.randn(4, 2) * 10, torch.randn(3, 1)]
    owners = [torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 2])]
    wanted = []
    for member in range(3):
        own = [torch.nn.Parameter(s[o == member].clone()) for s, o in zip(segments, owners, strict=True)]
        for p in own:
            p.grad = p.detach().clone()
        torch.nn.utils.clip_grad_norm_(own, 2.0)
        wanted.append([p.grad for p in own])
    clip_members(segments, owners, 3, 2.0)
    for member in range(3):
        for segment, owner, grad in zip(segments, owners, wanted[member], strict=True):
            assert grad is not None
            torch.testing.assert_close(segment[owner == member], grad)


def test_patience_needs_a_schedule_of_one_phase() -> None:
    with pytest.raises(InvalidInputError, match="joint") as refused:
        check_trainable(replace(STOPS, schedule=Method("continual")), TASKS, 2)
    assert refused.value.pointer == "/patience"


def test_a_recipe_without_the_later_fields_is_known_as_before() -> None:
    recipe = Recipe()
    later = {"learning_rate_schedule", "augmentation", "patience", "gradient_clip"}
    assert recipe.identity().keys() == asdict(recipe).keys() - later
    assert STOPS.identity().keys() == asdict(recipe).keys()
    folder = CheckpointFolder(Path(), "data", TASKS, recipe)
    other = CheckpointFolder(Path(), "data", TASKS, replace(recipe, patience=1))
    assert folder.path(REQUESTS[0]) != other.path(REQUESTS[0])


# --- augmentation

IMAGES = (Task.regression("mean"), Task.dense_map("map", 12))


def images() -> TrainingData:
    dataset = make_dataset(rows=220)
    inputs = dataset.inputs  # 6 numbers: 2 by 3 pixels
    two = torch.from_numpy(inputs)
    return TrainingData.from_dataset(
        replace(
            dataset,
            targets={
                "mean": two.mean(dim=1, keepdim=True).numpy(),
                "map": torch.cat([two, -2 * two], dim=1).numpy(),
            },
        ),
        IMAGES,
    )


@pytest.mark.parametrize("name", ["flip", "shift"])
def test_maps_are_changed_together_with_the_images(name: str) -> None:
    data = images()
    method = Method(name, {"height": 2, "width": 3})
    recipe = Recipe(hidden=(8,), epochs=1, batch_size=50, augmentation=method)
    training = Training(data, TrialRequest(Network.of("mean", "map"), 0), recipe)
    rows = data.train.inputs[:50]
    generator = torch.Generator().manual_seed(1)
    targets = {task: target[:50] for task, target in data.train.targets.items()}
    inputs, changed = training.augmentation.apply(rows, targets, generator)
    assert 5 < int((inputs != rows).any(dim=1).sum()) < 50
    assert torch.equal(changed["mean"], targets["mean"])
    of_map = data.normalisations["map"].decode(changed["map"]).view(50, 2, 6)
    torch.testing.assert_close(of_map, torch.stack([inputs, -2 * inputs], dim=1))
    if name == "flip":
        mirrored = rows.view(50, 2, 3).flip(2).flatten(1)
        assert all(
            torch.equal(a, b) or torch.equal(a, c) for a, b, c in zip(inputs, rows, mirrored, strict=True)
        )
    assert torch.equal(rows, data.train.inputs[:50])


def test_augmented_images_train_alike_in_stacks_and_need_a_fitting_size() -> None:
    data = images().converted(torch.float64)
    recipe = Recipe(hidden=(8,), epochs=3, batch_size=30, augmentation=Method("flip", {"width": 3}))
    requests = [TrialRequest(Network.of(*names), 0) for names in (["mean"], ["mean", "map"])]
    stack = StackedTraining(data, requests, recipe)
    alone = [Training(data, request, recipe) for request in requests]
    for _ in range(3):
        for loss, training in zip(stack.run_epoch(), alone, strict=True):
            assert loss == pytest.approx(training.run_epoch(), rel=1e-10)
    with pytest.raises(InvalidInputError, match="multiply") as refused:
        Training(data, requests[0], replace(recipe, augmentation=Method("flip", {"width": 4})))
    assert refused.value.pointer == "/augmentation/parameters"


# --- float16


@pytest.mark.parametrize("weighting", ["equal", "uncertainty", "pcgrad", "gradnorm"])
@pytest.mark.parametrize("sharing", [Method("hard"), Method("soft", {"strength": 3.0})], ids=str)
def test_gradients_under_float16_are_those_of_float32(weighting: str, sharing: Method) -> None:
    base = Recipe(hidden=(8, 8), epochs=1, batch_size=55, optimiser=Method("sgd", {"momentum": 0.0}))
    base = replace(base, weighting=Method(weighting), sharing=sharing, learning_rate=0.1)
    found = []
    for precision in (Precision.FLOAT32, Precision.FLOAT16):
        training = Training(
            DATA, TrialRequest(Network.of("class", "sum"), 0), replace(base, precision=precision)
        )
        training.run_epoch()
        found.append([p.grad.clone() for p in training.network.parameters() if p.grad is not None])
    for single, half in zip(*found, strict=True):
        torch.testing.assert_close(half, single, rtol=0.02, atol=0.02 * float(single.abs().max()))


def test_small_gradients_survive_float16_and_a_bad_step_is_left_out() -> None:
    recipe = Recipe(hidden=(8,), epochs=4, batch_size=32, precision=Precision.FLOAT16)
    training = Training(DATA, TrialRequest(Network.of("sum"), 0), recipe)
    scale = training.network.gradient_scale
    assert scale is not None
    features = torch.ones(2, 3, requires_grad=True)
    half = features.half()
    (1e-9 * scale.scaled(half.float()).sum()).backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    torch.testing.assert_close(features.grad / scale.factor, torch.full((2, 3), 1e-9), rtol=0.01, atol=0)
    before, factor = training.state_dict(), scale.factor
    next(training.network.parameters()).grad = torch.full_like(next(training.network.parameters()), torch.inf)
    training._step()
    assert scale.factor == factor / 2
    after = training.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before if n != "gradient_scale")
    outcome = train_network(DATA, TrialRequest(Network.of("sum"), 0), recipe)
    assert outcome.state is TrialState.SUCCEEDED
