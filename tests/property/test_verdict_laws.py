"""Laws of the verdict: where a gain begins to be claimed, from both sides of each limit that README tells.

"Beaten by 2 % or more with t of 3 or more over three or more fresh seeds": the mean gain is at least one
fiftieth of the baseline's loss and at least three of its own standard errors, and three seeds tell it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from grouping.domain.groupings import Grouping
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.tasks import Task
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.domain.verdicts.verdict import Verdict, judge
from tests.tables import make_table

BUDGET_SNT = 2.0
HAIR = 1e-6
SPREADS = st.integers(3, 8).flatmap(
    lambda n: st.lists(st.floats(-1, 1), min_size=n, max_size=n).filter(lambda drawn: np.std(drawn) > 0.01)
)


def verdict_on(gains: FloatArray, baseline_loss: float = 1.0, alone_loss: float | None = None) -> Verdict:
    """Two tasks, a network and a half, with these gains over the network of both, one per seed.

    Each baseline scores the same with every seed; the networks of one task the same as that of both, unless
    `alone_loss` is given.
    """
    pair, half = Network.of("a", "b"), Network.of("b", size=0.5)
    together, alone = BOTH_BASELINES.of_cost(("a", "b"), BUDGET_SNT)
    networks = (pair, half, *together.networks, *alone.networks)
    losses = np.full((len(networks), 2, len(gains)), baseline_loss)
    losses[:2] = baseline_loss * (1 - gains)
    losses[3:] = baseline_loss if alone_loss is None else alone_loss
    grouping = Grouping(("a", "b"), (half, pair), (1, 0))
    return judge(grouping, BUDGET_SNT, make_table(networks, (Task("a"), Task("b")), losses))


def with_t_of(wanted: float, mean: float, spread: list[float]) -> FloatArray:
    """Gains with this mean that lies so many of its standard errors above zero."""
    centred = np.array(spread) - np.mean(spread)
    return np.asarray(mean + centred * (mean / wanted) / stats.sem(centred), dtype=np.float64)


@given(SPREADS, st.floats(0.025, 0.3), st.floats(0.1, 10.0))
def test_a_gain_is_claimed_from_three_standard_errors_on_and_not_below(
    spread: list[float], mean: float, baseline_loss: float
) -> None:
    claimed = verdict_on(with_t_of(3 + HAIR, mean, spread), baseline_loss)
    refused = verdict_on(with_t_of(3 - HAIR, mean, spread), baseline_loss)
    assert claimed.is_worth_it
    assert not refused.is_worth_it
    assert claimed.is_confirmed
    assert refused.is_confirmed, "it is the noise that decides"


@given(SPREADS, st.floats(3.1, 100.0))
def test_a_gain_is_claimed_from_two_per_cent_on_and_not_below(spread: list[float], t: float) -> None:
    assert verdict_on(with_t_of(t, 0.02 + HAIR, spread)).is_worth_it
    assert not verdict_on(with_t_of(t, 0.02 - HAIR, spread)).is_worth_it


@given(SPREADS, st.floats(0.025, 0.3), st.floats(1e-4, 0.06))
def test_a_refusal_never_shows_figures_that_reach_what_it_asks_for(
    spread: list[float], mean: float, short: float
) -> None:
    by_noise = verdict_on(with_t_of(3 - short, mean, spread))
    by_size = verdict_on(with_t_of(10, 0.02 - short / 1000, spread))
    assert "t = 2.9" in by_noise.sentence()
    assert "gain is +1.9 %" in by_size.sentence()


@given(st.floats(3.1, 1e6), st.floats(0.03, 0.5))
def test_two_seeds_claim_nothing_however_certain_they_look(t: float, mean: float) -> None:
    assert not verdict_on(with_t_of(t, mean, [0.0, 1.0])).is_worth_it
    assert verdict_on(with_t_of(t, mean, [0.0, 1.0, 0.5])).is_worth_it


@given(SPREADS, st.floats(0.3, 3.0))
def test_both_baselines_must_be_beaten_and_not_one_of_them(spread: list[float], alone_loss: float) -> None:
    gains = with_t_of(50, 0.2, spread)
    over_alone = 1 - 0.8 / alone_loss
    assume(abs(over_alone - 0.02) > 0.02)  # far from where the noise decides
    verdict = verdict_on(gains, alone_loss=alone_loss)
    assert verdict.comparisons[0].is_beaten
    assert verdict.is_worth_it == (over_alone > 0.02)


@given(SPREADS, st.floats(0.1, 10.0))
def test_a_lower_loss_is_a_gain_where_losses_are_negative(spread: list[float], size: float) -> None:
    gains = with_t_of(50, 0.2, spread)
    lower, higher = verdict_on(-gains, -size), verdict_on(gains, -size)
    assert lower.is_worth_it
    assert lower.comparisons[0].gain == pytest.approx(0.2)
    assert higher.comparisons[0].gain == pytest.approx(-0.2)


@given(st.integers(1, 12), st.floats(0.05, 20.0))
def test_a_baseline_serves_every_task_for_the_whole_budget_in_networks_of_one_size(
    n_tasks: int, budget_snt: float
) -> None:
    names = tuple(f"task {i}" for i in range(n_tasks))
    together, alone = BOTH_BASELINES.of_cost(names, budget_snt)
    assert [network.group for network in together.networks] == [frozenset(names)]
    assert [network.group for network in alone.networks] == [frozenset({name}) for name in names]
    for baseline in (together, alone):
        assert sum(network.size for network in baseline.networks) == pytest.approx(budget_snt)
        assert len({network.size for network in baseline.networks}) == 1
