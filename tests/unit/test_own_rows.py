"""Every task its own rows: what an unlabelled row may change, in every engine and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tasks import Loss, Task, TaskKind
from grouping.domain.trainings.datasets import NO_CLASS, Dataset, labelled_rows
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError
from grouping.recipes import list_losses, list_methods
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, train_networks
from grouping.training.engines.stacked import StackedTraining
from grouping.training.engines.vmapped import VmappedTraining
from grouping.training.loop import Training, train_network
from grouping.training.methods import build_sampling
from tests.effort import examples
from tests.unit.test_training_loop import TASKS, make_dataset

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(hidden=(8, 5), epochs=6, batch_size=24, learning_rate=0.01, weight_decay=0.01)
SAMPLINGS = [Method("rows"), Method("by-task"), Method("by-task", {"temperature": 1.5})]
SHARES = {"class": 1.0, "sign": 0.5, "sum": 0.2, "map": 0.04}
NAMES = tuple(task.name for task in TASKS)
OF_KINDS = {
    TaskKind.REGRESSION: ("sum", 1),
    TaskKind.BINARY: ("sign", 1),
    TaskKind.MULTICLASS: ("class", 3),
    TaskKind.DENSE_MAP: ("map", 4),
}
"""A target of `make_dataset` for each kind, with its width."""


def unlabelled(dataset: Dataset, shares: Mapping[str, float], seed: int = 0) -> Dataset:
    """Return the data with labels of about that share of the rows of each part, three at least."""
    generator = np.random.default_rng(seed)
    targets: dict[str, NDArray[Any]] = {}
    for name, target in dataset.targets.items():
        kept = generator.random(len(target)) < shares[name]
        for part in (dataset.train, dataset.validation, dataset.test):
            kept[part[:6]] = True
        targets[name] = target.copy()
        targets[name][~kept] = NO_CLASS if target.dtype == np.int64 else np.nan
    return replace(dataset, targets=targets)


DATASET = unlabelled(make_dataset(rows=260), SHARES)
DATA = TrainingData.from_dataset(DATASET, TASKS)
PRECISE = DATA.converted(torch.float64)


def final_state(run: Training) -> dict[str, torch.Tensor]:
    while not run.is_finished:
        run.run_epoch()
    return run.state_dict()


def assert_close(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@settings(max_examples=examples(4), deadline=None)
@given(
    groups=st.lists(st.sets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=4),
    batch_size=st.integers(5, 150),
    seed=st.integers(0, 3),
)
def test_in_a_stack_as_one_by_one(
    sampling: Method, groups: list[set[str]], batch_size: int, seed: int
) -> None:
    recipe = replace(RECIPE, batch_size=batch_size, sampling=sampling)
    requests = [TrialRequest(Network.of(*group), seed) for group in groups]
    stack = StackedTraining(PRECISE, requests, recipe)
    while stack.epoch < stack.n_epochs:
        stack.run_epoch()
    for member, request in enumerate(requests):
        alone = Training(PRECISE, request, recipe)
        assert_close(stack.state_dict(member), final_state(alone))
        assert stack.evaluate(member).validation_losses == pytest.approx(alone.evaluate().validation_losses)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_seeds_as_one_are_seeds_one_by_one(sampling: Method) -> None:
    recipe = replace(RECIPE, sampling=sampling, sharing=Method("cross-stitch"))
    requests = [TrialRequest(Network.of("class", "sum", "map"), seed) for seed in range(4)]
    together = VmappedTraining(PRECISE, requests, recipe, [None] * 4)
    while together.epoch < together.n_epochs:
        together.run_epoch()
    for member, request in enumerate(requests):
        assert_close(together.state_dict(member), final_state(Training(PRECISE, request, recipe)))


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_a_member_gets_the_same_bits_in_any_stack(sampling: Method) -> None:
    recipe = replace(RECIPE, sampling=sampling)
    groups = [(name,) for name in NAMES] + [NAMES, ("sum", "map"), ("class", "map")]
    requests = [TrialRequest(Network.of(*group), 1) for group in groups]
    together = train_networks(DATA, requests, recipe, engine=Engine.STACKED)
    for request, outcome in zip(requests, together, strict=True):
        (alone,) = train_networks(DATA, [request], recipe, engine=Engine.STACKED)
        assert alone.scores == outcome.scores


@pytest.mark.parametrize("engine", [Engine.STACKED, Engine.SEQUENTIAL])
def test_rows_without_a_label_change_nothing(engine: Engine) -> None:
    """Whatever stands in their inputs: they are in no gradient, no loss and no metric."""
    task = "sum"
    lacking = ~labelled_rows(DATASET.targets[task])
    inputs = DATASET.inputs.copy()
    inputs[lacking] = 1000.0
    other = TrainingData.from_dataset(replace(DATASET, inputs=inputs), TASKS)
    request = TrialRequest(Network.of(task), 0)
    (one,), (two,) = (train_networks(data, [request], RECIPE, engine=engine) for data in (DATA, other))
    assert one.state is TrialState.SUCCEEDED
    assert one.scores[0].validation_loss == pytest.approx(two.scores[0].validation_loss, rel=1e-6)
    assert one.scores[0].test_metric == pytest.approx(two.scores[0].test_metric, rel=1e-6)


def test_constants_losses_and_metrics_are_those_of_the_labelled_rows() -> None:
    task = next(task for task in TASKS if task.name == "sum")
    known = labelled_rows(DATASET.targets["sum"])
    parts = {name: getattr(DATASET, name) for name in ("train", "validation", "test")}
    kept = {name: part[known[part]] for name, part in parts.items()}
    only = TrainingData.from_dataset(replace(DATASET, **kept), [task])
    assert DATA.normalisations["sum"].constants.divisor == only.normalisations["sum"].constants.divisor
    assert (DATA.normalisations["sum"].encode(DATASET.targets["sum"])[known]).isfinite().all()
    training = Training(DATA, TrialRequest(Network.of("sum"), 0), RECIPE)
    final_state(training)
    same = Training(only, TrialRequest(Network.of("sum"), 0), RECIPE)
    same.network.load_state_dict(training.network.state_dict())
    assert training.evaluate().validation_losses == pytest.approx(same.evaluate().validation_losses)
    assert training.evaluate().test_metrics == pytest.approx(same.evaluate().test_metrics)


@pytest.mark.parametrize("loss", [info.name for info in list_losses()])
def test_over_an_epoch_every_label_weighs_the_same(loss: str) -> None:
    """The mean of the batch losses is the mean loss of the labels, however these fall into batches."""
    kinds = next(info.kinds for info in list_losses() if info.name == loss)
    dataset = make_dataset(rows=400)
    for kind, (name, width) in OF_KINDS.items():
        if kind not in kinds:
            continue
        task = Task(name, kind, Loss(loss), n_outputs=width)
        few = unlabelled(replace(dataset, targets={name: np.abs(dataset.targets[name])}), {name: 0.3})
        data = TrainingData.from_dataset(few, [task]).converted(torch.float64)
        norm, target = data.normalisations[name], data.train.targets[name]
        generator = torch.Generator().manual_seed(0)
        outputs = torch.randn(len(target), width, generator=generator, dtype=torch.float64)
        parts = zip(torch.split(outputs, 20), torch.split(target, 20), strict=True)
        batches = torch.stack([norm.batch_loss(*part) for part in parts])
        assert float(batches.mean()) == pytest.approx(norm.loss_of_labelled(outputs, target))


def test_a_batch_without_a_label_has_no_loss_and_no_gradient() -> None:
    norm = DATA.normalisations["map"]
    outputs = torch.randn(7, 4, requires_grad=True)
    loss = norm.batch_loss(outputs, torch.full((7, 4), math.nan))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_a_training_goes_on_from_its_state_as_if_it_had_not_stopped(sampling: Method) -> None:
    recipe = replace(RECIPE, sampling=sampling)
    request = TrialRequest(Network.of("sign", "map"), 2)
    begun = Training(DATA, request, recipe)
    for _ in range(2):
        begun.run_epoch()
    resumed = Training(DATA, request, recipe)
    resumed.load_state_dict(begun.state_dict())
    wanted, found = final_state(Training(DATA, request, recipe)), final_state(resumed)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_by_task_every_task_draws_its_own_rows_equally_often() -> None:
    sampling = build_sampling(replace(RECIPE, sampling=Method("by-task")), DATA)
    assert sampling.rows_per_step == RECIPE.batch_size * len(TASKS)
    for task in TASKS:
        counts = sampling.counting[task.name].repeat(len(sampling.steps(0, 0)))
        known = labelled_rows(DATASET.targets[task.name])[DATASET.train].nonzero()[0].tolist()
        drawn = [row for epoch in range(8) for row in sampling.order(0, epoch)[counts].tolist()]
        times = [drawn.count(row) for row in known]
        assert set(drawn) == set(known)
        assert max(times) - min(times) <= 1
        assert drawn[: len(known)] != sorted(known)


def test_by_task_the_temperature_goes_from_proportional_to_uniform() -> None:
    def drawn(temperature: float) -> dict[str, float]:
        method = Method("by-task", {"temperature": temperature})
        return dict(build_sampling(replace(RECIPE, sampling=method, batch_size=300), DATA).labelled_shares)

    labels = {name: DATASET.label_counts(name)["train"] for name in NAMES}
    proportional, between, uniform = drawn(1), drawn(3), drawn(1e6)
    for name in NAMES:
        assert proportional[name] == pytest.approx(labels[name] / sum(labels.values()), abs=0.003)
        assert uniform[name] == pytest.approx(1 / len(NAMES), abs=0.003)
    assert proportional["map"] < between["map"] < uniform["map"]


@pytest.mark.parametrize("weighting", [info.name for info in list_methods(Part.WEIGHTING)])
def test_a_weighting_gets_a_label_of_every_task_or_is_refused(weighting: str) -> None:
    recipe = replace(RECIPE, weighting=Method(weighting), epochs=3)
    request = TrialRequest(Network.of(*NAMES), 0)
    outcome = train_network(DATA, request, replace(recipe, sampling=Method("by-task")))
    assert outcome.state is TrialState.SUCCEEDED
    if weighting == "equal":
        return
    with pytest.raises(InvalidInputError, match="'by-task'") as refused:
        train_network(DATA, request, recipe)
    assert refused.value.pointer == "/sampling"


@pytest.mark.parametrize("sharing", [info.name for info in list_methods(Part.SHARING)])
def test_every_way_of_sharing_trains_on_them(sharing: str) -> None:
    recipe = replace(RECIPE, sharing=Method(sharing), hidden=(24, 24))
    outcome = train_network(DATA, TrialRequest(Network.of(*NAMES), 0), recipe)
    assert outcome.state is TrialState.SUCCEEDED


def test_affinities_tell_how_many_rows_two_tasks_share() -> None:
    request = TrialRequest(Network.of(*NAMES), 0, measures_affinity=True)
    found = train_network(DATA, request, RECIPE).affinities
    assert found is not None
    known = {name: labelled_rows(DATASET.targets[name])[DATASET.train] for name in NAMES}
    for i, one in enumerate(found.tasks):
        for j, other in enumerate(found.tasks):
            both, either = known[one] & known[other], known[one] | known[other]
            assert found.sample_overlap[i, j] == pytest.approx(both.sum() / either.sum())


@pytest.mark.parametrize(
    ("name", "place", "value", "says"),
    [
        ("sum", lambda data: data.validation, np.nan, "no label in the validation"),
        ("class", lambda data: data.train, NO_CLASS, "no label in the train"),
        ("sum", lambda data: 0, np.inf, "infinite"),
        ("class", lambda data: 0, -2, "classes outside"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_task(
    name: str, place: Callable[[Dataset], Any], value: float, says: str
) -> None:
    dataset = make_dataset()
    target = dataset.targets[name].copy()
    target[place(dataset)] = value
    with pytest.raises(InvalidInputError, match=says) as refused:
        replace(dataset, targets={**dataset.targets, name: target}).check_tasks(TASKS)
    assert repr(name) in str(refused.value)
