"""Continued short trainings: calibration, optimism, and what is never compared."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.replay.replaying import Setup, replay
from grouping.replay.summary import regret_curve
from grouping.replay.tables import open_table
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, get_strategy
from grouping.strategies.forecast import forecast
from grouping.strategies.prediction.continuation import predict_from_early
from grouping.strategies.prediction.early_line import fit_early_line
from tests.searches import Searched, run_to_the_end
from tests.tables import make_table, random_table

TRUTH = random_table(7, n_tasks=5, n_seeds=2)
NOISE = random_table(8, n_tasks=5, n_seeds=2)
NAMES = TRUTH.task_names
SPACE = Candidates.listed(NAMES, TRUTH.networks)
TOLD = make_table(TRUTH.networks, TRUTH.tasks, 0.3 + 2 * TRUTH.validation_losses)
"""Early losses that say everything."""


def search(early: ScoreTable = NOISE, **parameters: object) -> Searched:
    return run_to_the_end(get_strategy("continuation", parameters), TRUTH, early)


def test_the_slope_is_that_of_informative_losses_and_zero_for_noise_and_for_reversed_ones() -> None:
    rng = np.random.default_rng(0)
    early = rng.uniform(1, 2, 12)
    line = fit_early_line(early, 0.5 * early + rng.normal(0, 1e-4, 12))
    assert line is not None
    assert line.slope == pytest.approx(0.5, abs=1e-3)
    assert line.noise < 3e-4
    reversed_line = fit_early_line(early, -early)
    assert reversed_line is not None
    assert reversed_line.slope == 0
    slopes = [fit_early_line(rng.normal(size=8), rng.normal(size=8)) for _ in range(400)]
    assert np.mean([line.slope == 0 for line in slopes if line is not None]) > 0.7


def test_a_slope_that_may_be_chance_is_shrunk_by_its_own_uncertainty() -> None:
    rng = np.random.default_rng(2)
    early = rng.normal(size=10)
    full = early + 0.8 * rng.normal(size=10)
    line = fit_early_line(early, full)
    assert line is not None
    raw, _ = np.polyfit(early, full, 1)
    residuals = full - np.polyval(np.polyfit(early, full, 1), early)
    squared_error = (residuals @ residuals) / 8 / np.sum((early - early.mean()) ** 2)
    assert line.slope == pytest.approx(raw * (1 - squared_error / raw**2))
    assert 0 < line.slope < raw


def test_without_information_the_prediction_is_the_mean_and_the_deviation_that_of_the_networks() -> None:
    full = np.array([0.2, 0.4, 0.3, 0.5])
    line = fit_early_line(np.array([1.0, 0.8, 0.9, 0.7]), full)
    assert line is not None
    means, deviations = line.predict(np.array([0.1, 5.0]))
    assert means == pytest.approx([0.35, 0.35])
    assert deviations == pytest.approx([full.std(ddof=1) * np.sqrt(1.25)] * 2)


def test_one_network_calibrates_nothing_and_two_or_three_only_the_mean() -> None:
    assert fit_early_line(np.array([1.0]), np.array([1.0])) is None
    for n in (2, 3):
        line = fit_early_line(np.arange(n, dtype=float), np.arange(n, dtype=float))
        assert line is not None
        assert line.slope == 0
        assert line.noise > 0


def test_a_prediction_depends_on_the_early_losses_of_its_own_task_only() -> None:
    rows = list(range(0, len(TRUTH.networks), 2))
    scaled = make_table(
        TOLD.networks, TOLD.tasks, TOLD.validation_losses * 10.0 ** np.arange(5)[None, :, None]
    )
    plain, _, _ = predict_from_early(TOLD, TRUTH.select(rows), TRUTH.networks)
    other, _, _ = predict_from_early(scaled, TRUTH.select(rows), TRUTH.networks)
    assert np.allclose(plain.validation, other.validation, equal_nan=True), "no unit, no task is compared"
    assert np.allclose(plain.validation, TRUTH.validation, equal_nan=True)


def test_measured_networks_keep_their_losses_and_unknown_ones_are_left_out() -> None:
    rows = list(range(0, len(TRUTH.networks), 2))
    early = TOLD.select([n for n in range(len(TRUTH.networks)) if n != 5])
    found, deviations, is_measured = predict_from_early(early, TRUTH.select(rows), TRUTH.networks)
    assert set(TRUTH.networks) - set(found.networks) == {TRUTH.networks[5]}
    for n, network in enumerate(found.networks):
        row = TRUTH.position(network)
        assert is_measured[n] == (row in rows)
        if is_measured[n]:
            assert np.array_equal(found.validation[n], TRUTH.validation[row], equal_nan=True)
            assert np.array_equal(deviations[n], TRUTH.validation_standard_error[row], equal_nan=True)
    nothing, _, _ = predict_from_early(TOLD, TRUTH.select([]), TRUTH.networks)
    assert not nothing.networks


def test_short_passes_come_first_then_calibration_then_rounds_in_full() -> None:
    found = search()
    early, calibrating, *rounds = found.batches
    assert {r.network for r in early} == set(TRUTH.networks)
    assert {r.fidelity for r in early} == {0.2}
    assert {r.fidelity for batch in (calibrating, *rounds) for r in batch} == {1.0}
    counts = Counter(task for r in calibrating if r.seed == 0 for task in r.network.group)
    assert min(counts[task] for task in NAMES) >= 4
    assert calibrating[0].network == Network.of(*NAMES)
    assert 1 <= len(rounds) <= 5
    assert found.search.recommend(1.0).grouping is not None


def test_early_losses_that_say_everything_lead_to_the_optimum_with_few_full_trainings() -> None:
    found = search(TOLD)
    for budget in (1.0, 2.0):
        (best,) = solve_budgets(TRUTH, (budget,))
        assert found.search.recommend(budget).loss == pytest.approx(best.loss)
    assert len(found.full) < 12
    assert "rank the networks of" in found.notes[-1] or "too few" in found.notes[-1].lower()


def test_the_search_ends_when_what_may_be_the_best_is_measured_or_after_its_rounds() -> None:
    long = search(rounds=20)
    assert len(long.batches) < 22
    for rounds in (1, 2, 3):
        assert search(rounds=rounds).batches == long.batches[: 2 + rounds]
    assert len(search(optimism=0.0, rounds=20).full) <= len(search(optimism=3.0, rounds=20).full)


def test_a_search_that_starts_again_inside_a_batch_trains_the_same() -> None:
    strategy = get_strategy("continuation", {"rounds": 3})
    whole = run_to_the_end(strategy, TRUTH, NOISE)
    assert run_to_the_end(strategy, TRUTH, NOISE, stops_inside=True).requests == whole.requests


def test_the_seed_decides_which_networks_calibrate() -> None:
    strategy = get_strategy("continuation")
    first, second = (run_to_the_end(strategy, TRUTH, NOISE, seed=seed).batches[1] for seed in (0, 1))
    assert first != second
    assert first == run_to_the_end(strategy, TRUTH, NOISE).batches[1]


def test_trainings_that_diverge_leave_the_search_to_the_others() -> None:
    strategy = get_strategy("continuation")
    run_to_the_end(strategy, TRUTH, NOISE, diverges=lambda _: True)
    run_to_the_end(strategy, TRUTH, NOISE, diverges=lambda r: r.fidelity == 1)
    early_only = run_to_the_end(strategy, TRUTH, NOISE, diverges=lambda r: r.fidelity < 1)
    assert early_only.search.recommend(1.0).grouping is not None, "the calibrating networks"
    some = run_to_the_end(strategy, TRUTH, NOISE, diverges=lambda r: len(r.network.group) == 2)
    assert some.search.recommend(1.0).grouping is not None


def test_many_candidates_get_no_more_short_passes_than_allowed() -> None:
    space = Candidates.of([f"t{i}" for i in range(30)], single_sizes=(0.5,))
    assert space.networks is None
    empty = ScoreTable.from_scores([*TRUTH.tasks], (), ())
    evidence = Evidence(space, empty, empty, (3.0,), (0,))
    requests = get_strategy("continuation").ask(evidence, solve_budgets).requests
    networks = [r.network for r in requests]
    assert len(networks) == len(set(networks)) == 300
    assert set(space.singles) <= set(networks)
    assert Network.of(*space.tasks) in networks
    sizes = Counter(len(n.group) for n in networks)
    assert sizes[2] > 100
    assert sum(count for size, count in sizes.items() if 2 < size < 30) > 100
    told = forecast(get_strategy("continuation"), evidence, solve_budgets)
    assert told.n_lower > 300
    assert told.n_upper - told.n_lower <= 5 * 6


def test_on_the_shipped_tables_it_comes_close_to_the_optimum_for_less_than_half_of_the_trainings() -> None:
    table = open_table("digits")
    setup = Setup(n_seeds=3, checkpoints=(30.0,))
    (found,) = replay(table.full, [get_strategy("continuation")], setup, early=table.early)
    assert float(regret_curve(found).mean[-1]) < 0.01
    assert found.total_charges.mean() < 33.5 / 2
