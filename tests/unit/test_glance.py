"""What the picture of a grouping is made of: bars of gains, boxes of networks, budgets that are offered."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.verdicts.verdict import Comparison
from grouping_api.web.gain_bars import gain_bars
from grouping_api.web.rendering import MANY_BUDGETS, largest_first, nearest, some_budgets, tasks_alone


def compared(gain: float, error: float = 0.001, n_seeds: int = 5, *, is_same: bool = False) -> Comparison:
    return Comparison("all alone", 1.0, 1.0 + gain, gain, error, n_seeds, is_same)


def test_gains_have_one_scale_and_say_whether_they_may_be_claimed() -> None:
    large, small, loss = gain_bars((compared(0.1), compared(0.01), compared(-0.05)))
    assert (large.mark, small.mark, loss.mark) == ("good", "open", "poor")
    assert large.text == "+10.0 % ± 0.1 %"
    assert large.seeds == "5 fresh seeds"
    assert large.start == small.start == 50
    assert math.isclose(large.width, 10 * small.width, rel_tol=0.01)
    assert math.isclose(loss.start + loss.width, 50)
    assert math.isclose(large.width, 2 * loss.width, rel_tol=0.01)
    assert large.low < large.start + large.width < large.high <= 100


def test_a_gain_of_one_seed_has_no_range_and_the_grouping_itself_no_bar() -> None:
    (only,) = gain_bars((compared(0.1, math.nan, 1), compared(0.0, is_same=True)))
    assert only.text == "+10.0 %"
    assert only.low == only.high == only.start + only.width


@given(st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=4), st.floats(0, 0.2))
def test_no_bar_leaves_its_frame(gains: list[float], error: float) -> None:
    for bar in gain_bars([compared(gain, error) for gain in gains]):
        assert 0 <= bar.low <= bar.high <= 100.01
        assert 0 <= bar.start <= bar.start + bar.width <= 100.01


def alone(n: int) -> Grouping:
    """A shared network, and one network each for some more tasks."""
    names = ("a", "b", *(f"task {i}" for i in range(n)))
    networks = (Network.of("a", "b"), *(Network.of(name) for name in names[2:]))
    return Grouping(names, networks, (0, 0, *range(1, n + 1)))


def test_many_tasks_alone_share_a_box_and_few_have_one_each() -> None:
    assert tasks_alone(alone(4)) == []
    assert len(tasks_alone(alone(5))) == 5
    assert largest_first(alone(5).chosen)[0].serves == ("a", "b")


@given(st.integers(1, 80), st.floats(0.1, 50))
def test_few_budgets_are_offered_with_both_ends_and_the_nearest(n: int, budget: float) -> None:
    budgets = [0.5 * (i + 1) for i in range(n)]
    shown = some_budgets(budgets, budget)
    assert {budgets[0], budgets[nearest(budgets, budget)], budgets[-1]} <= set(shown)
    assert shown == sorted(shown)
    assert len(shown) <= MANY_BUDGETS
