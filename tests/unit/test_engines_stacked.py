"""The stacked engine against one-by-one training, and against itself in other stacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Network, list_candidates
from grouping.domain.tasks import Loss, Task, TaskKind
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, TrainingError
from grouping.recipes import list_losses
from grouping.training.data import Rows, TrainingData
from grouping.training.engines import Engine, divide, train_networks
from grouping.training.engines.stacked import StackedTraining, can_stack
from grouping.training.loop import Training, train_network
from grouping.training.losses import LossFunction
from tests.effort import examples
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(8, 5), epochs=4, batch_size=24, learning_rate=0.01, weight_decay=0.01)
DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
PRECISE = DATA.converted(torch.float64)
NAMES = [task.name for task in TASKS]
REQUESTS = [TrialRequest(network, 0) for network in list_candidates(NAMES, max_group_size=4)]


pytestmark = pytest.mark.usefixtures("one_thread")


def states_of(
    data: TrainingData, requests: Sequence[TrialRequest], recipe: Recipe
) -> list[dict[str, torch.Tensor]]:
    stack = StackedTraining(data, requests, recipe)
    while stack.epoch < stack.n_epochs:
        stack.run_epoch()
    return [stack.state_dict(member) for member in range(len(requests))]


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


@settings(max_examples=examples(4), deadline=None)
@given(
    groups=st.lists(st.sets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=4),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    batch_size=st.integers(25, 130),
    seed=st.integers(0, 3),
    optimiser=st.sampled_from([Method("adamw"), Method("sgd", {"momentum": 0.5})]),
)
def test_twenty_epochs_in_a_stack_are_twenty_epochs_one_by_one(
    groups: list[set[str]], hidden: list[int], batch_size: int, seed: int, optimiser: Method
) -> None:
    recipe = replace(RECIPE, epochs=20, hidden=tuple(hidden), batch_size=batch_size, optimiser=optimiser)
    requests = [TrialRequest(Network.of(*group), seed) for group in groups]
    for request, state in zip(requests, states_of(PRECISE, requests, recipe), strict=True):
        alone = Training(PRECISE, request, recipe)
        while not alone.is_finished:
            alone.run_epoch()
        wanted = alone.state_dict()
        assert state.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(state[name], value, rtol=1e-10, atol=1e-12)


def test_scores_and_training_losses_are_those_of_one_by_one_training() -> None:
    seen: dict[TrialRequest, list[float]] = {request: [] for request in REQUESTS}
    outcomes = train_networks(
        PRECISE, REQUESTS, RECIPE, on_epoch=lambda request, _, loss: seen[request].append(loss)
    )
    for request, outcome in zip(REQUESTS, outcomes, strict=True):
        losses: dict[int, float] = {}
        alone = train_network(PRECISE, request, RECIPE, on_epoch=losses.__setitem__)
        assert seen[request] == pytest.approx(list(losses.values()), rel=1e-10)
        assert [score.task for score in outcome.scores] == [score.task for score in alone.scores]
        for score, wanted in zip(outcome.scores, alone.scores, strict=True):
            assert score.validation_loss == pytest.approx(wanted.validation_loss, rel=1e-10)
            assert score.test_loss == pytest.approx(wanted.test_loss, rel=1e-10)
            assert score.validation_metric == pytest.approx(wanted.validation_metric, rel=1e-10)
            assert score.test_metric == pytest.approx(wanted.test_metric, rel=1e-10)


def test_in_single_precision_rounding_stays_far_below_the_noise_of_the_seed() -> None:
    (here,) = train_networks(DATA, REQUESTS[-1:], RECIPE)
    there, other = (train_network(DATA, TrialRequest(REQUESTS[-1].network, seed), RECIPE) for seed in (0, 1))
    for score, alone, noisy in zip(here.scores, there.scores, other.scores, strict=True):
        rounding = abs(score.validation_loss - alone.validation_loss)
        assert rounding < 0.01 * abs(noisy.validation_loss - alone.validation_loss)


@pytest.mark.parametrize(
    ("hidden", "batch_size"),
    [((1,), 24), ((5,), 109), ((1, 7), 32), ((33, 31), 7), ((16, 16), 64), ((32, 1, 3), 1), ((128,), 24)],
)
def test_a_network_gets_the_same_bits_in_any_stack(hidden: tuple[int, ...], batch_size: int) -> None:
    recipe = replace(RECIPE, hidden=hidden, batch_size=batch_size, epochs=1)
    together = states_of(DATA, REQUESTS, recipe)
    for chosen in ([14], [0], [3, 14], [5, 0, 7], [13, 1, 14, 2, 8, 6, 4]):
        found = states_of(DATA, [REQUESTS[number] for number in chosen], recipe)
        for number, state in zip(chosen, found, strict=True):
            assert_equal(state, together[number])


def test_a_network_gets_the_same_bits_among_many_of_its_kind() -> None:
    networks = [Network.of("class"), Network.of("sum", "map")]
    recipe = replace(RECIPE, epochs=1)
    alone = [states_of(DATA, [TrialRequest(network, 0)], recipe)[0] for network in networks]
    many = states_of(DATA, [TrialRequest(networks[n % 2], 0) for n in range(63)], recipe)
    for number, state in enumerate(many):
        assert_equal(state, alone[number % 2])


@pytest.mark.parametrize(
    ("hidden", "batch_size"), [((1,), 24), ((5,), 109), ((33, 31), 7), ((16, 16), 64), ((128,), 300)]
)
def test_a_network_gets_the_same_scores_in_any_stack(hidden: tuple[int, ...], batch_size: int) -> None:
    recipe = replace(RECIPE, hidden=hidden, batch_size=batch_size, epochs=1)
    data = TrainingData.from_dataset(make_dataset(rows=1500), TASKS)
    together = StackedTraining(data, REQUESTS * 4, recipe)
    together.run_epoch()
    for chosen in ([14], [0], [3, 14], [5, 0, 7]):
        fewer = StackedTraining(data, [REQUESTS[number] for number in chosen], recipe)
        fewer.run_epoch()
        for place, number in enumerate(chosen):
            assert fewer.evaluate(place) == together.evaluate(number) == together.evaluate(15 * 3 + number)


def test_tasks_of_the_problem_that_nobody_trains_change_no_bit() -> None:
    fewer = TrainingData.from_dataset(make_dataset(rows=220), TASKS[2:])
    request = TrialRequest(Network.of("sum", "map"), 0)
    assert_equal(states_of(fewer, [request], RECIPE)[0], states_of(DATA, [request], RECIPE)[0])


def test_one_that_diverges_leaves_the_others_alone() -> None:
    targets = {**DATA.train.targets, "sum": DATA.train.targets["sum"].clone()}
    targets["sum"][7] = math.inf
    broken = replace(DATA, train=Rows(DATA.train.inputs, targets))
    requests = [
        TrialRequest(Network.of(*group), 0) for group in (["class"], ["sum", "class"], ["map", "sign"])
    ]
    told: list[TrialRequest] = []
    first, middle, last = train_networks(
        broken, requests, RECIPE, on_epoch=lambda request, *_: told.append(request)
    )
    reference = train_network(broken, requests[1], RECIPE)
    assert replace(middle, seconds=0) == replace(reference, seconds=0)
    assert middle.state is TrialState.DIVERGED
    assert requests[1] not in told
    healthy = train_networks(DATA, requests, RECIPE)
    assert (first.scores, last.scores) == (healthy[0].scores, healthy[2].scores)


def test_a_stack_of_which_all_diverge_ends_early() -> None:
    epochs: list[int] = []

    def counts() -> bool:
        epochs.append(1)
        return False

    outcomes = train_networks(DATA, REQUESTS[:3], replace(RECIPE, learning_rate=1e30), should_stop=counts)
    assert {outcome.state for outcome in outcomes} == {TrialState.DIVERGED}
    assert {outcome.epochs for outcome in outcomes} == {1}
    assert len(epochs) == 1


def test_a_stack_goes_on_from_its_own_states_with_the_same_bits() -> None:
    recipe = replace(RECIPE, epochs=3)
    whole = states_of(DATA, REQUESTS[-3:], recipe)
    stack = StackedTraining(DATA, REQUESTS[-3:], recipe)
    stack.run_epoch()
    saved = [stack.state_dict(member) for member in range(3)]
    stack.run_epoch()  # must not reach into what was saved
    for member in range(3):
        again = StackedTraining(DATA, [REQUESTS[-3 + member]], recipe, [saved[member]])
        again.run_epoch()
        again.run_epoch()
        assert_equal(again.state_dict(0), whole[member])


def test_a_state_of_another_architecture_is_refused() -> None:
    (state,) = states_of(DATA, [TrialRequest(Network.of("sum"), 0)], replace(RECIPE, epochs=1))
    with pytest.raises(TrainingError, match="another architecture"):
        StackedTraining(DATA, REQUESTS[-1:], RECIPE, [state])


def test_members_of_different_seeds_or_sizes_are_refused() -> None:
    one = REQUESTS[0]
    for other in (
        replace(one, seed=1),
        replace(one, fidelity=0.5),
        TrialRequest(Network.of("sum", size=0.5), 0),
    ):
        with pytest.raises(TrainingError, match="one seed"):
            StackedTraining(DATA, [one, other], RECIPE)


@pytest.mark.parametrize("part", ["encoder", "sharing", "weighting", "schedule", "optimiser"])
def test_other_methods_are_not_stacked(part: str) -> None:
    change: dict[str, Any] = {part: Method("other")}
    assert can_stack(DATA, REQUESTS[0], RECIPE)
    assert not can_stack(DATA, REQUESTS[0], replace(RECIPE, **change))
    with pytest.raises(InvalidInputError, match="stacked engine"):
        divide(DATA, REQUESTS[:1], replace(RECIPE, **change), Engine.STACKED)


def test_measuring_affinities_is_left_to_the_sequential_engine() -> None:
    request = TrialRequest(Network.of("sum", "map"), 0, measures_affinity=True)
    (outcome,) = train_networks(DATA, [request], RECIPE)
    assert outcome.affinities is not None
    assert replace(outcome, seconds=0, affinities=None) == replace(
        train_network(DATA, request, RECIPE), seconds=0, affinities=None
    )


class FourthPower(LossFunction):
    """A loss without a gradient that is written out."""

    def rows(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).pow(4).mean(dim=1)


def test_a_task_whose_loss_has_no_written_gradient_is_trained_by_autograd_in_the_same_call() -> None:
    norm = replace(DATA.normalisations["sum"], function=FourthPower(None))
    changed = replace(DATA, normalisations={**DATA.normalisations, "sum": norm})
    plain, both = (TrialRequest(Network.of(*group), 0) for group in (["class"], ["class", "sum"]))
    assert [share.engine for share in divide(changed, [plain, both], RECIPE)] == [
        Engine.STACKED,
        Engine.SEQUENTIAL,
    ]
    found = train_networks(changed, [plain, both], RECIPE)
    assert found[0].scores == train_networks(DATA, [plain], RECIPE)[0].scores
    assert found[1].scores == train_network(changed, both, RECIPE).scores
    with pytest.raises(InvalidInputError, match="no gradient of the losses of sum") as refused:
        divide(changed, [both], RECIPE, Engine.STACKED)
    assert refused.value.pointer == "/engine"


def test_every_loss_that_is_stacked_gives_the_floats_of_autograd_and_the_same_bits_in_any_stack() -> None:
    numbers = make_dataset(rows=220)
    losses = [Loss(info.name) for info in list_losses() if TaskKind.REGRESSION in info.kinds]
    tasks = tuple(Task.regression(loss.name, loss=loss) for loss in losses)
    targets = {task.name: np.abs(numbers.targets["sum"]) for task in tasks}
    data = TrainingData.from_dataset(replace(numbers, targets=targets), tasks)
    requests = [TrialRequest(Network.of(*(t.name for t in tasks[n:])), 0) for n in range(len(tasks))]
    together = states_of(data, requests, RECIPE)
    for request, state in zip(requests, together, strict=True):
        assert_equal(state, states_of(data, [request], RECIPE)[0])
    precise = data.converted(torch.float64)
    for request, state in zip(requests, states_of(precise, requests, RECIPE), strict=True):
        alone = Training(precise, request, RECIPE)
        while not alone.is_finished:
            alone.run_epoch()
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(state[name], value, rtol=1e-9, atol=1e-11)
