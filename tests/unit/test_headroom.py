"""What may still be missed by stopping: the interval, its sentence, and a search that goes on by it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from grouping.domain.jobs.job import StopReason
from grouping.domain.verdicts.headroom import (
    Headroom,
    headroom_from_plain,
    headroom_note,
    headroom_to_plain,
    may_be_missed,
)
from grouping.replay.oracle import Oracle
from grouping.replay.searching import run_search
from grouping.replay.tables import open_table
from grouping.solver import solve, solve_budgets
from grouping.strategies import get_strategy
from grouping.strategies.adaptive.loss_covariance import Pool
from grouping.strategies.adaptive.loss_model import LossModel, fit_model
from grouping.strategies.adaptive.missed import SURPRISING, find_missed, is_due, wide_draws

BUDGETS = (1.5, 2.5)
DIGITS = open_table("digits").full
HALF = tuple(range(0, len(DIGITS.networks), 2))


def fitted(losses: np.ndarray) -> LossModel:
    pool = Pool.of(DIGITS.networks, DIGITS.task_names)
    return fit_model(pool, losses, np.full_like(losses, np.nan), np.random.default_rng(0))


def half_measured() -> np.ndarray:
    """Losses of every second network; those of the others are not known."""
    losses = np.full(DIGITS.validation.shape, np.nan)
    losses[list(HALF)] = DIGITS.validation[list(HALF)]
    return losses


def missed(losses: np.ndarray, seed: int = 0) -> tuple[Headroom, ...]:
    is_open = np.isnan(losses).all(axis=1)
    generator = np.random.default_rng(seed)
    return find_missed(fitted(losses), DIGITS, losses, is_open, BUDGETS, solve_budgets, generator).headroom


def test_the_sentence_says_what_further_trainings_may_bring_and_what_all_of_them_may() -> None:
    found = Headroom(2.0, 21, 15, 0.0123, 0.0123)
    assert found.sentence == (
        "After 21 networks, training 15 more may lower the loss by up to 1.23 % (in 9 of 10 cases by no "
        "more)."
    )
    large = Headroom(3.0, 40, 20, 0.05, 0.03)
    assert large.sentence.endswith(
        "by up to 3.00 % (in 9 of 10 cases by no more). Training all candidates: by up to 5.00 %."
    )
    assert headroom_note([found, large]) == f"Budget 3: {large.sentence}"
    assert may_be_missed([found, large]) == 0.03
    nothing = Headroom(1.0, 36, 0, 0.0, 0.0)
    assert nothing.sentence == "After 36 networks, it is unlikely that any other network lowers the loss."


def test_it_comes_back_from_json_as_it_was() -> None:
    items = (Headroom(2.0, 21, 15, 0.0123, 0.0123), Headroom(3.0, 21, 15, 0.1, 0.1))
    data = json.loads(json.dumps(headroom_to_plain(items)))
    assert headroom_from_plain(data) == items
    assert data["note"] == headroom_note(items)


def test_a_surprise_is_the_distance_from_what_the_other_networks_foretell() -> None:
    model = fitted(half_measured())
    found = model.surprises()
    covariance = model.factor @ model.factor.T
    for n in (HALF[0], HALF[-1]):
        out = model.cells.n == n
        gain = covariance[np.ix_(out, ~out)] @ np.linalg.inv(covariance[np.ix_(~out, ~out)])
        spread = np.sqrt(np.diag(covariance[np.ix_(out, out)] - gain @ covariance[np.ix_(~out, out)]))
        assert found[out] == pytest.approx(
            (model.residuals[out] - gain @ model.residuals[~out]) / spread, 1e-6
        )


def test_draws_in_which_more_can_happen_are_wider_and_lower_than_those_of_the_model() -> None:
    model = fitted(half_measured())
    narrow = model.draw(400, np.random.default_rng(1))
    wide = wide_draws(model, 400, np.random.default_rng(1))
    is_open = np.isnan(half_measured()) & (model.pool.member > 0)
    assert (wide.std(axis=0) >= narrow.std(axis=0))[is_open].all()
    assert (wide.min(axis=0) < narrow.min(axis=0))[is_open].all()
    assert np.isnan(wide[:, model.pool.member == 0]).all()


def test_a_loss_that_nothing_foretold_makes_more_of_them_likely() -> None:
    usual = half_measured()
    odd = usual.copy()
    n, t = next(
        (n, t) for n, t in zip(*np.nonzero(np.isfinite(usual)), strict=True) if (usual[n] > 0).sum() == 3
    )
    odd[n, t] *= 0.3
    assert np.abs(fitted(odd).surprises()).max() > SURPRISING > np.abs(fitted(usual).surprises()).max()


def test_the_interval_is_ordered_the_same_each_time_and_nothing_once_all_is_measured() -> None:
    found = missed(half_measured())
    assert found == missed(half_measured())
    assert [item.budget_snt for item in found] == list(BUDGETS)
    for item in found:
        assert 0 < item.upper < 1
        assert item.n_measured == len(HALF)
        assert item.n_more == len(DIGITS.networks) - len(HALF)
        assert item.upper_of_more == item.upper
        present = solve(DIGITS.select(list(HALF)), item.budget_snt).loss
        best = solve(DIGITS, item.budget_snt).loss
        assert present is not None
        assert best is not None
        assert 1 - best / present <= item.upper
    assert {(item.upper, item.n_more) for item in missed(DIGITS.validation)} == {(0.0, 0)}


def test_it_is_looked_at_again_when_twice_as_many_networks_are_measured() -> None:
    assert [n for n in range(1, 40) if is_due(n, 1)] == [2, 4, 8, 16, 32]
    assert is_due(18, 5)
    assert not is_due(15, 5)


def test_a_search_that_may_miss_less_goes_on_until_it_does() -> None:
    oracle = Oracle.of(DIGITS)
    usual, strict = (
        run_search(oracle, get_strategy("adaptive", {"tolerance": 0.002, "may_miss": m}), BUDGETS)
        for m in (1.0, 0.004)
    )
    assert usual.reason == strict.reason == StopReason.CONVERGED
    assert strict.rows[: len(usual.rows)] == usual.rows
    ends = [trace.headrooms[-1] for trace in (usual, strict)]
    assert [end[0].n_measured for end in ends] == [len(usual.rows), len(strict.rows)]
    assert may_be_missed(ends[0]) > 0.004 >= may_be_missed(ends[1])
