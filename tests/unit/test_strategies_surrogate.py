"""The linear surrogate: its fit, its rounds, and its predictions."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Candidates, Network, list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import TooManyCandidatesError
from grouping.replay.replaying import Setup, replay
from grouping.replay.summary import regret_curve
from grouping.replay.tables import open_table
from grouping.solver import solve, solve_budgets
from grouping.strategies import Evidence, get_strategy
from grouping.strategies.forecast import forecast
from grouping.strategies.prediction.ridge import STRENGTHS, fit_ridge
from grouping.strategies.prediction.surrogate import predict_linearly
from tests.searches import Searched, run_to_the_end
from tests.tables import make_table, random_table

TRUTH = random_table(7, n_tasks=5, n_seeds=2)
NAMES = TRUTH.task_names
SPACE = Candidates.listed(NAMES, TRUTH.networks)


def linear_table(n_tasks: int = 6, *, pairwise: float = 0.0, noise: float = 0.0) -> ScoreTable:
    """Losses that are a sum of effects of the other tasks, and optionally of a pair of them."""
    rng = np.random.default_rng(5)
    names = tuple(f"t{i}" for i in range(n_tasks))
    networks = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    effects = rng.uniform(-0.1, 0.1, (n_tasks, n_tasks))
    alone = rng.uniform(0.3, 1.0, n_tasks)
    member = np.array([[name in network.group for name in names] for network in networks], dtype=float)
    np.fill_diagonal(effects, 0.0)
    relative = 1 + member @ effects
    relative += pairwise * (member[:, [0]] * member[:, [1]])
    losses = alone * relative + noise * rng.normal(size=relative.shape)
    losses[[network.size != 1 for network in networks]] += 0.2
    return make_table(networks, tuple(Task(name) for name in names), losses)


LINEAR = linear_table(noise=0.02)


def test_a_ridge_leaves_one_out_as_if_it_were_fitted_without_it() -> None:
    rng = np.random.default_rng(0)
    features, observed = rng.normal(size=(12, 3)), rng.normal(size=12)
    observed += features[:, 0] * 2
    line = fit_ridge(features, observed)
    assert np.isfinite(line.strength)
    centred = features - features.mean(axis=0)
    hat = centred @ np.linalg.solve(centred.T @ centred + line.strength * np.eye(3), centred.T) + 1 / 12
    assert np.allclose(line.predict(features)[0], hat @ observed)


def test_the_strength_is_the_one_that_predicts_observations_left_out_best() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(15, 6))
    observed = features[:, 0] + 0.7 * rng.normal(size=15)
    line = fit_ridge(features, observed)
    squares = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    strengths = STRENGTHS * squares.mean()

    def left_out(strength: float) -> float:
        errors = []
        for i in range(15):
            x, y = np.delete(features, i, axis=0), np.delete(observed, i)
            centred = x - x.mean(axis=0)
            slopes = np.linalg.solve(centred.T @ centred + strength * np.eye(6), centred.T @ (y - y.mean()))
            errors.append(observed[i] - y.mean() - (features[i] - x.mean(axis=0)) @ slopes)
        return float(np.mean(np.square(errors)))

    assert line.strength == pytest.approx(min(strengths, key=left_out))
    assert strengths.min() < line.strength < strengths.max(), "a case in between"


def test_features_that_say_nothing_leave_the_mean_and_its_deviation() -> None:
    rng = np.random.default_rng(1)
    features, observed = rng.integers(0, 2, (40, 4)).astype(float), rng.normal(3.0, 0.5, 40)
    line = fit_ridge(features, observed)
    means, deviations = line.predict(features)
    assert np.abs(means - observed.mean()).max() < 0.3
    assert deviations.mean() == pytest.approx(0.5, rel=0.3)


def test_without_any_difference_of_features_the_noise_is_the_deviation_of_the_sample() -> None:
    observed = np.array([0.2, 0.5, 0.9, 0.4])
    line = fit_ridge(np.ones((4, 3)), observed)
    assert line.noise == pytest.approx(observed.std(ddof=1))
    assert line.predict(np.zeros((1, 3)))[0] == pytest.approx(observed.mean())


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_observations_are_no_line(n: int) -> None:
    line = fit_ridge(np.arange(n, dtype=float)[:, None], np.arange(n, dtype=float))
    assert np.isfinite(line.predict(np.array([[5.0]]))[0]).all()
    assert np.isnan(line.noise) == (n == 1)


def test_linear_losses_are_predicted_exactly_and_the_others_kept() -> None:
    table = linear_table()
    rows = [n for n, network in enumerate(table.networks) if len(network.group) in (1, 2, 6)]
    predicted, deviations = predict_linearly(table.select(rows), table.networks)
    assert len(predicted.networks) == len(table.networks)
    truth = table.validation[[table.position(network) for network in predicted.networks]]
    assert np.nanmax(np.abs(predicted.validation - truth)) < 2e-3
    measured = {table.networks[n] for n in rows}
    for n, network in enumerate(predicted.networks):
        member = predicted.membership[n]
        assert np.isnan(deviations[n]).all() == (network in measured)
        assert network in measured or (deviations[n][member] > 0).all()


def test_products_of_two_memberships_catch_what_a_sum_cannot() -> None:
    table = linear_table(pairwise=0.4)
    rows = [n for n, network in enumerate(table.networks) if n % 3 != 0 or len(network.group) == 1]
    left = [n for n in range(len(table.networks)) if n not in rows]

    def error(pairwise: bool) -> float:
        predicted, _ = predict_linearly(table.select(rows), table.networks, pairwise=pairwise)
        found = predicted.validation[[predicted.position(table.networks[n]) for n in left]]
        return float(np.nanmean(np.abs(found - table.validation[left])))

    assert error(True) < 0.5 * error(False)


def test_deviations_cover_the_errors_of_noisy_predictions() -> None:
    table = linear_table(noise=0.02)
    rows = [n for n, network in enumerate(table.networks) if len(network.group) < 3 or n % 2]
    left = [n for n in range(len(table.networks)) if n not in rows]
    predicted, deviations = predict_linearly(table.select(rows), table.networks)
    at = [predicted.position(table.networks[n]) for n in left]
    z = (predicted.validation[at] - table.validation[left]) / deviations[at]
    assert 0.5 < np.nanstd(z) < 1.6


def test_a_task_that_was_never_measured_leaves_its_groups_out() -> None:
    table = linear_table()
    rows = [n for n, network in enumerate(table.networks) if "t0" not in network.group]
    predicted, _ = predict_linearly(table.select(rows), table.networks)
    assert set(predicted.networks) == {table.networks[n] for n in rows}
    empty, _ = predict_linearly(table.select([]), table.networks)
    assert not empty.networks


def test_without_the_task_alone_losses_are_relative_to_their_mean() -> None:
    table = linear_table()
    rows = [n for n, network in enumerate(table.networks) if 1 < len(network.group) < 4]
    predicted, _ = predict_linearly(table.select(rows), table.networks)
    row = predicted.position(Network.of("t0", "t1", "t2", "t3"))
    truth = table.validation[table.position(Network.of("t0", "t1", "t2", "t3"))]
    assert np.nanmax(np.abs(predicted.validation[row] - truth)) < 5e-3


def test_it_trains_singles_together_and_random_groups_and_then_what_is_recommended() -> None:
    found = run_to_the_end(get_strategy("surrogate", {"trainings": 4}), LINEAR)
    first, *later = found.batches
    networks = [request.network for request in first]
    singles = Candidates.listed(LINEAR.task_names, LINEAR.networks).singles
    assert networks[:13] == [*singles, Network.of(*LINEAR.task_names)]
    assert len(networks) == 17
    assert all(2 <= len(n.group) <= 5 and n.size == 1 for n in networks[13:])
    rows = [LINEAR.position(network) for network in networks]
    predicted, _ = predict_linearly(LINEAR.select(rows), LINEAR.networks)
    chosen = {n for b in (1.0, 2.0) for n in solve(predicted, b).require_grouping().networks}
    assert {r.network for r in later[0]} == chosen - set(networks)
    assert 1 <= len(later) <= 3


def test_more_random_groups_are_a_superset_and_the_seed_decides() -> None:
    def first(n: int, seed: int = 0) -> set[Network]:
        batch, *_ = run_to_the_end(get_strategy("surrogate", {"trainings": n}), TRUTH, seed=seed).batches
        return {request.network for request in batch}

    assert first(3) < first(8)
    assert first(3) == first(3) != first(3, seed=1)


def search_digits(rounds: int, *, stops_inside: bool = False) -> Searched:
    table = open_table("digits").full
    means = make_table(table.networks, table.tasks, table.validation)
    strategy = get_strategy("surrogate", {"trainings": 0, "rounds": rounds})
    return run_to_the_end(strategy, means, budgets_snt=(1.5, 2.0, 2.5, 3.0), stops_inside=stops_inside)


def test_rounds_are_counted_from_the_evidence_alone() -> None:
    whole = search_digits(20)
    assert len(whole.batches) > 3
    assert whole.notes[-1] == "The surrogate recommends nothing new."
    for rounds in (1, 2, 3):
        assert search_digits(rounds).batches == whole.batches[: 1 + rounds]


def test_a_search_that_starts_again_inside_a_batch_trains_the_same() -> None:
    assert search_digits(20, stops_inside=True).requests == search_digits(20).requests


def test_networks_that_diverge_are_not_asked_for_again_and_the_search_ends() -> None:
    strategy = get_strategy("surrogate", {"rounds": 6})
    run_to_the_end(strategy, TRUTH, diverges=lambda _: True)
    run_to_the_end(strategy, TRUTH, diverges=lambda r: len(r.network.group) in (1, 3))
    later_lost = run_to_the_end(strategy, TRUTH, diverges=lambda r: len(r.network.group) == 2 and r.seed == 1)
    assert later_lost.search.recommend(2.0).grouping is not None


def test_a_chosen_network_that_diverges_is_replaced_in_the_next_round() -> None:
    strategy = get_strategy("surrogate", {"trainings": 4})
    first, second, *_ = run_to_the_end(strategy, LINEAR, budgets_snt=(2.0,)).batches
    lost = second[0].network
    found = run_to_the_end(strategy, LINEAR, budgets_snt=(2.0,), diverges=lambda r: r.network == lost)
    assert found.batches[:2] == (first, second)
    assert len(found.batches) > 2
    assert lost not in found.search.recommend(2.0).require_grouping().networks


def test_its_estimate_covers_every_full_size_candidate() -> None:
    found = run_to_the_end(get_strategy("surrogate"), TRUTH)
    estimate = found.search.estimate()
    assert {n for n in estimate.table.networks if n.size == 1} == {n for n in TRUTH.networks if n.size == 1}
    assert {n for n, m in zip(estimate.table.networks, estimate.is_measured, strict=True) if m} == found.full
    cells = estimate.standard_deviations[estimate.table.membership]
    assert (cells[~np.isnan(cells)] >= 0).all()


def test_many_tasks_are_refused_before_anything_is_trained() -> None:
    space = Candidates.of([f"t{i}" for i in range(30)])
    empty = TRUTH.select([])
    with pytest.raises(TooManyCandidatesError, match="too many to list"):
        get_strategy("surrogate").ask(Evidence(space, empty, empty, (1.0,), (0,)), solve_budgets)


def test_its_forecast_bounds_every_round() -> None:
    empty = TRUTH.select([])
    evidence = Evidence(SPACE, empty, empty, (1.0,), (0,))
    one, three = (
        forecast(get_strategy("surrogate", {"trainings": 2, "rounds": n}), evidence, solve_budgets)
        for n in (1, 3)
    )
    assert one.n_lower == three.n_lower == 13
    assert (one.n_upper, three.n_upper) == (13 + 2, 13 + 6)


def test_on_the_digits_it_comes_close_to_the_optimum() -> None:
    table = open_table("digits").full
    (found,) = replay(table, [get_strategy("surrogate")], Setup(n_seeds=3, checkpoints=(30.0,)))
    assert found.is_random
    assert float(regret_curve(found).mean[-1]) < 0.005
    assert found.total_charges.max() <= 24
