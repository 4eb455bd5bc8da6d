"""What was spent and saved, in three units, and times that rest on something measured."""

from __future__ import annotations

import pytest

from grouping.domain.trainings.ledgers import Amount, Rate, Rates, Spending, cost_of, savings
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import Purpose
from grouping.recipes import epochs_of

RECIPE = Recipe(epochs=10)
EPOCHS = epochs_of(RECIPE)
CANDIDATES = {(1, 0.5): 5, (1, 1.0): 5, (2, 1.0): 10, (3, 1.0): 10, (4, 1.0): 5, (5, 1.0): 1}


def spent(group_size: int, networks: int, **more: object) -> Spending:
    """The search of so many networks with one seed."""
    options = {
        "trainings": networks,
        "finished": networks,
        "epochs": 10 * networks,
        "seconds": float(networks),
    } | more
    return Spending(Purpose.SEARCH, group_size, 1.0, 1.0, networks=networks, **options)  # type: ignore[arg-type]


def test_a_time_is_that_of_the_same_shape_or_of_the_same_group_size_or_unknown() -> None:
    rates = Rates({(1, 1.0): Rate(2, 20, 4.0), (1, 0.5): Rate(2, 20, 2.0), (2, 1.0): Rate(1, 0, 0.0)})
    assert rates.seconds(1, 1.0, 10) == pytest.approx(2.0)
    assert rates.seconds(1, 0.25, 10) == pytest.approx(1.5), "over both sizes"
    assert rates.seconds(2, 1.0, 10) is None, "no epoch has ended"
    assert rates.seconds(3, 1.0, 0) == 0.0
    assert rates.trainings == 4


def test_a_cost_counts_sizes_and_short_passes_as_their_share_of_a_full_network() -> None:
    cost = cost_of({(1, 0.5, 1.0): 2, (2, 1.0, 0.2): 5}, EPOCHS, Rates({(1, 1.0): Rate(1, 10, 1.0)}))
    assert (cost.trainings, cost.epochs, cost.equivalents) == (7, 2 * 10 + 5 * 2, 2 * 0.5 + 5 * 0.2)
    assert cost.seconds is None, "pairs were never trained"
    assert cost_of({(1, 1.0, 1.0): 2}, EPOCHS, Rates({(1, 1.0): Rate(1, 10, 1.0)})).seconds == 2.0
    assert cost_of({}, EPOCHS) == Amount(0, 0, 0.0, 0.0)


def test_savings_compare_the_search_with_every_candidate_and_leave_the_confirmation_out() -> None:
    rows = [
        spent(1, 5),
        spent(2, 10),
        spent(3, 9),
        Spending(Purpose.CONFIRMATION, 1, 1.0, 1.0, "", 5, 25, 25),
    ]
    made = savings(rows, CANDIDATES, 1, EPOCHS)
    assert (made.networks, made.candidates) == (24, 36)
    assert made.saved.trainings == 12
    assert made.saved.equivalents == 33.5 - 24
    assert made.share == pytest.approx(1 / 3)


def test_what_was_copied_is_saved_and_told_apart() -> None:
    rows = [spent(1, 5, trainings=0, finished=0, epochs=0, seconds=0.0, reused=5), spent(2, 10)]
    made = savings(rows, {(1, 1.0): 5, (2, 1.0): 10}, 1, EPOCHS)
    assert (made.networks, made.reused, made.trained.trainings) == (15, 5, 10)
    assert made.share == pytest.approx(1 / 3)


def test_short_passes_may_cost_more_than_they_save() -> None:
    early = Spending(Purpose.SEARCH, 1, 1.0, 0.2, "", 5, 5, 5, 5, 10)
    made = savings([early, spent(1, 5)], {(1, 1.0): 5}, 1, EPOCHS)
    assert made.networks == 5
    assert made.share == pytest.approx(-0.2)


def test_what_is_under_way_is_not_counted_as_trained() -> None:
    made = savings([spent(1, 0, trainings=5, finished=0, epochs=0, seconds=0.0)], CANDIDATES, 1, EPOCHS)
    assert (made.networks, made.trained) == (0, Amount())


def test_an_exhaustive_search_saves_no_second_whatever_the_rates_are() -> None:
    """The rates rest on the confirmation as well, which may have been faster or slower."""
    rates = Rates({(1, 1.0): Rate(10, 100, 80.0)})
    candidates = {(1, 1.0): 5}
    saved = savings([spent(1, 5)], candidates, 1, EPOCHS, rates).saved
    assert (saved.trainings, saved.epochs) == (0, 0)
    assert saved.seconds == pytest.approx(0.0)
    partly = savings([spent(1, 3)], candidates, 1, EPOCHS, rates)
    assert partly.exhaustive.seconds == pytest.approx(3.0 + 2 * 10 * 0.8)


def test_what_was_started_stays_counted_when_it_is_given_up() -> None:
    running = spent(1, 0, trainings=5, finished=0, attempts=5, epochs=0, seconds=0.0)
    given_up = spent(1, 0, trainings=0, finished=0, attempts=5, epochs=0, seconds=0.0)
    assert running.attempted_equivalents == given_up.attempted_equivalents == 5.0
