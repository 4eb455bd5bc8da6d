"""Many requests at once: what comes out, in which order, what is kept, and when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
import torch

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.training.data import TrainingData
from grouping.training.engines import Engine, divide, train_networks
from grouping.training.engines.capacity import MOST_MEMBERS, most_members
from grouping.training.loop import train_network
from tests.unit.test_training_loop import TASKS, make_dataset

RECIPE = Recipe(hidden=(8, 5), epochs=4, batch_size=24, learning_rate=0.01)
DATA = TrainingData.from_dataset(make_dataset(rows=220), TASKS)
ONE, TWO, ALL = Network.of("sum"), Network.of("map", "class"), Network.of(*(task.name for task in TASKS))
REAL_ENGINES = (Engine.STACKED, Engine.VMAP, Engine.SEQUENTIAL)
MIXED = [
    TrialRequest(ALL, 0),
    TrialRequest(ONE, 1),
    TrialRequest(TWO, 0),
    TrialRequest(Network.of("sum", size=0.5), 0),
    TrialRequest(TWO, 0, fidelity=0.5),
    TrialRequest(ALL, 1),
    TrialRequest(ONE, 0, measures_affinity=True),
]


pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Shelf:
    """Keeps states in memory."""

    every: int = 1
    states: dict[TrialRequest, Mapping[str, torch.Tensor]] = field(default_factory=dict)
    saved: list[tuple[TrialRequest, int]] = field(default_factory=list)
    trained: dict[TrialRequest, Mapping[str, torch.Tensor]] = field(default_factory=dict)

    def load(self, request: TrialRequest) -> Mapping[str, torch.Tensor] | None:
        return self.states.get(request)

    def is_due(self, epoch: int) -> bool:
        return epoch % self.every == 0

    def save(self, request: TrialRequest, state: Mapping[str, torch.Tensor], epoch: int) -> None:
        assert int(state["epoch"]) == epoch
        self.states[request] = state
        self.saved.append((request, epoch))

    def ended(self, request: TrialRequest, weights: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        self.trained[request] = weights()


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.SEQUENTIAL])
def test_outcomes_come_in_the_order_of_the_requests(engine: Engine) -> None:
    outcomes = train_networks(DATA, MIXED, RECIPE, engine=engine)
    for request, outcome in zip(MIXED, outcomes, strict=True):
        alone = train_network(DATA, request, RECIPE)
        assert (outcome.state, outcome.epochs) == (TrialState.SUCCEEDED, alone.epochs)
        assert [score.task for score in outcome.scores] == [score.task for score in alone.scores]
        for score, wanted in zip(outcome.scores, alone.scores, strict=True):
            assert score.validation_loss == pytest.approx(wanted.validation_loss, rel=1e-3)
        assert outcome.seconds > 0
        if engine is Engine.SEQUENTIAL:
            assert outcome.scores == alone.scores


def test_scores_do_not_depend_on_what_else_is_asked_for() -> None:
    together = train_networks(DATA, MIXED, RECIPE)
    for request, outcome in zip(MIXED, together, strict=True):
        (alone,) = train_networks(DATA, [request], RECIPE)
        assert alone.scores == outcome.scores
    backwards = train_networks(DATA, MIXED[::-1], RECIPE)
    assert [outcome.scores for outcome in backwards[::-1]] == [outcome.scores for outcome in together]


def test_nothing_asked_for_is_nothing_trained() -> None:
    assert train_networks(DATA, [], RECIPE) == ()


def test_the_same_request_twice_has_the_same_outcome_twice() -> None:
    first, second = train_networks(DATA, [MIXED[0], MIXED[0]], RECIPE)
    assert first == second


def test_a_request_that_can_never_work_has_failed_and_the_others_have_not() -> None:
    wrong = [TrialRequest(Network.of("depth"), 0), TrialRequest(Network.of("sum", size=1e-6), 0)]
    outcomes = train_networks(DATA, [MIXED[0], *wrong, MIXED[2]], RECIPE)
    states = [outcome.state for outcome in outcomes]
    assert states == [TrialState.SUCCEEDED, TrialState.FAILED, TrialState.FAILED, TrialState.SUCCEEDED]
    assert "depth" in (outcomes[1].error or "")
    assert "choose a larger size" in (outcomes[2].error or "")


def test_after_a_yes_to_stopping_nothing_more_is_trained() -> None:
    requests = [TrialRequest(ALL, 0), TrialRequest(TWO, 0), TrialRequest(ONE, 1)]
    answers = iter([False, False, True, False, False, False, False])
    outcomes = train_networks(DATA, requests, RECIPE, should_stop=lambda: next(answers))
    assert [outcome.state for outcome in outcomes] == [TrialState.FAILED] * 3
    assert [outcome.epochs for outcome in outcomes] == [2, 2, 0]
    assert "2 of 4 epochs" in (outcomes[0].error or "")


def test_what_has_ended_before_a_stop_keeps_its_outcome() -> None:
    answers = iter([False] * 4 + [True])
    first, second = train_networks(
        DATA, [TrialRequest(ALL, 0), TrialRequest(ONE, 1)], RECIPE, should_stop=lambda: next(answers)
    )
    assert first.state is TrialState.SUCCEEDED
    assert second.state is TrialState.FAILED


@pytest.mark.parametrize("begun", REAL_ENGINES)
@pytest.mark.parametrize("ended", REAL_ENGINES)
def test_what_one_engine_began_another_goes_on_with(begun: Engine, ended: Engine) -> None:
    precise = DATA.converted(torch.float64)
    requests = [TrialRequest(ALL, 0), TrialRequest(TWO, 0), TrialRequest(TWO, 1)]
    shelf, asked = Shelf(), iter([False, False, True])
    train_networks(precise, requests, RECIPE, should_stop=lambda: next(asked), keeper=shelf, engine=begun)
    assert any(shelf.saved)
    epochs: list[tuple[TrialRequest, int]] = []
    outcomes = train_networks(
        precise,
        requests,
        RECIPE,
        keeper=shelf,
        engine=ended,
        on_epoch=lambda request, epoch, _: epochs.append((request, epoch)),
    )
    assert (requests[0], 1) not in epochs
    for request, outcome in zip(requests, outcomes, strict=True):
        reference = train_network(precise, request, RECIPE)
        assert outcome.epochs == 4
        for score, wanted in zip(outcome.scores, reference.scores, strict=True):
            assert score.validation_loss == pytest.approx(wanted.validation_loss, rel=1e-9)


def test_going_on_after_an_interruption_gives_the_same_bits() -> None:
    uninterrupted = train_networks(DATA, MIXED, RECIPE)
    shelf, told = Shelf(every=2), []
    train_networks(
        DATA,
        MIXED,
        RECIPE,
        keeper=shelf,
        on_epoch=lambda *_: told.append(1),
        should_stop=lambda: len(told) > 9,
    )
    assert {epoch for _, epoch in shelf.saved} <= {2, 4}
    resumed = train_networks(DATA, MIXED, RECIPE, keeper=shelf)
    assert [outcome.scores for outcome in resumed] == [outcome.scores for outcome in uninterrupted]


def test_members_with_different_epochs_behind_them_are_not_mixed() -> None:
    shelf = Shelf()
    train_networks(DATA, [TrialRequest(ALL, 0, 0.5)], RECIPE, keeper=shelf)
    shelf.states[TrialRequest(ALL, 0)] = shelf.states[TrialRequest(ALL, 0, 0.5)]
    requests = [TrialRequest(ALL, 0), TrialRequest(TWO, 0)]
    outcomes = train_networks(DATA, requests, RECIPE, keeper=shelf)
    assert [outcome.scores for outcome in outcomes] == [
        outcome.scores for outcome in train_networks(DATA, requests, RECIPE)
    ]


@pytest.mark.parametrize("engine", REAL_ENGINES)
def test_a_training_whose_state_does_not_fit_starts_anew_and_harms_no_other(engine: Engine) -> None:
    requests = [TrialRequest(ONE, 0), TrialRequest(ALL, 0), TrialRequest(TWO, 0)]
    shelf = Shelf(every=2)
    train_networks(DATA, [replace(requests[0], fidelity=0.5)], RECIPE, keeper=shelf, engine=engine)
    (state,) = shelf.states.values()
    shelf.states = {requests[0]: state, requests[1]: state, requests[2]: {"epoch0": state["epoch"]}}
    epochs: list[tuple[TrialRequest, int]] = []
    outcomes = train_networks(
        DATA,
        requests,
        RECIPE,
        keeper=shelf,
        engine=engine,
        on_epoch=lambda request, epoch, _: epochs.append((request, epoch)),
    )
    fresh = train_networks(DATA, requests, RECIPE, engine=engine)
    for outcome, wanted in zip(outcomes, fresh, strict=True):
        losses = [score.validation_loss for score in outcome.scores]
        assert losses == pytest.approx([score.validation_loss for score in wanted.scores], rel=1e-4)
    assert [(request, 1) in epochs for request in requests] == [False, True, True]


def test_a_finished_state_is_scored_without_training() -> None:
    shelf, request = Shelf(), TrialRequest(TWO, 0)
    (first,) = train_networks(DATA, [request], RECIPE, keeper=shelf)
    (again,) = train_networks(DATA, [request], RECIPE, keeper=shelf, should_stop=lambda: True)
    assert again.scores == first.scores


def test_requests_are_divided_by_what_must_be_equal() -> None:
    shares = divide(DATA, MIXED, RECIPE)
    assert [share.members for share in shares] == [(0, 2), (1, 5), (3,), (4,), (6,)]
    assert [share.engine for share in shares] == [Engine.STACKED] * 4 + [Engine.SEQUENTIAL]


def test_a_stack_is_bounded_in_number_and_in_memory() -> None:
    many = [TrialRequest(ONE, 0)] * (MOST_MEMBERS + 1)
    assert [len(share.members) for share in divide(DATA, many, RECIPE)] == [MOST_MEMBERS, 1]
    wide = replace(RECIPE, hidden=(4096, 4096))
    assert most_members(DATA, MIXED[0], wide) == 1
