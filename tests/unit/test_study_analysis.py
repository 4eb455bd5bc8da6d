from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError
from grouping.study.analysis import correlate, effects_of, quantile, reliability
from grouping.study.plan import PlannedTraining, StudyOptions
from grouping.study.records import Effects, StudyReport, report_from_json, report_to_json
from grouping.study.reporting import make_report
from grouping.study.sentences import NO_NOISE
from tests.effort import examples
from tests.studies import OPTIONS, TASKS, effect_by_name, example_report, noisy_loss, run_of, scores_by


def sentence(report: StudyReport, question: str) -> str:
    return next(f.sentence for f in report.findings if f.question == question)


def matrix_of(seed: int, n_tasks: int = 4) -> FloatArray:
    matrix = np.random.default_rng(seed).normal(size=(n_tasks, n_tasks))
    np.fill_diagonal(matrix, np.nan)
    return matrix


def value(effects: Effects, source: str, target: str, tasks: Sequence[str] = TASKS) -> float | None:
    return effects.values[tasks.index(source)][tasks.index(target)]


def test_effects_are_those_that_the_scores_were_made_with() -> None:
    report = make_report(run_of(scores_by(noisy_loss(effect_by_name, noise=0.0))))
    for effects in report.effects:
        for source, target in permutations(TASKS, 2):
            assert value(effects, source, target) == pytest.approx(effect_by_name(source, target))
    for source, target in permutations(TASKS, 2):
        assert value(report.transfer, source, target) == pytest.approx(0.1 * effect_by_name(source, target))
    assert report.transfer_against_pairs.pearson == pytest.approx(1.0)
    assert all(report.pairs.values[i][i] is None for i in range(len(TASKS)))


def test_together_against_alone_compares_the_totals_of_one_large_and_many_small_networks() -> None:
    def loss_of(training: PlannedTraining, task: str) -> float:
        return {0.25: 2.0, 1.0: 1.5}.get(training.network.size, 9.0)

    options = StudyOptions(n_seeds=2, sizes=(1,), shares=(1,))
    found = make_report(run_of(scores_by(loss_of, options=options), options=options)).together
    assert (found.size_alone, found.total_alone.value, found.total_together.value) == (0.25, 8.0, 6.0)
    assert found.gain.value == 0.25
    assert [row.gain.value for row in found.tasks] == [0.25] * 4


def test_a_report_comes_back_from_json_as_it_was() -> None:
    report = example_report()
    assert report_from_json(json.loads(json.dumps(report_to_json(report), allow_nan=False))) == report
    with pytest.raises(InvalidInputError, match="no report of a study: together"):
        report_from_json({**report_to_json(report), "together": 3})


def test_the_order_of_the_scores_changes_nothing() -> None:
    scores = scores_by(noisy_loss(effect_by_name))
    assert make_report(run_of(scores)) == make_report(run_of(scores[::-1]))


def test_another_order_of_the_tasks_permutes_the_matrices_and_changes_no_correlation() -> None:
    other = ("scene", "depth", "edges", "normals")
    first, second = example_report(), example_report(other)
    for source, target in permutations(TASKS, 2):
        assert value(first.pairs, source, target) == value(second.pairs, source, target, other)
    a, b = first.transfer_against_pairs, second.transfer_against_pairs
    assert a.pearson == pytest.approx(b.pearson)
    assert a.permutation_p == pytest.approx(b.permutation_p)


@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 10**6),
    factor=st.floats(0.1, 10),
    shift=st.floats(-5, 5),
    sign=st.sampled_from([1, -1]),
)
def test_a_correlation_knows_neither_unit_nor_origin_and_turns_its_sign(
    seed: int, factor: float, shift: float, sign: int
) -> None:
    first, second = matrix_of(seed), matrix_of(seed + 1)
    plain, moved = correlate(first, second), correlate(first, sign * factor * second + shift)
    assert plain.pearson is not None
    assert moved.pearson == pytest.approx(sign * plain.pearson, abs=1e-9)
    assert moved.spearman == pytest.approx(sign * (plain.spearman or 0.0), abs=1e-9)
    assert moved.pearson_p == pytest.approx(plain.pearson_p)
    assert moved.permutation_p == pytest.approx(plain.permutation_p)
    assert correlate(second, first).pearson == pytest.approx(plain.pearson)


def test_a_matrix_goes_with_itself_as_one_relabelling_in_all_does() -> None:
    found = correlate(matrix_of(0), matrix_of(0))
    assert found.n == 12
    assert [found.pearson, found.spearman] == pytest.approx([1.0, 1.0])
    assert found.permutation_p == pytest.approx(1 / 24)
    many = correlate(matrix_of(0, 9), matrix_of(0, 9))
    assert many.permutation_p is not None
    assert 0 < many.permutation_p < 0.001


def test_relabelling_finds_about_as_many_unrelated_matrices_as_it_says() -> None:
    found = [correlate(matrix_of(seed, 5), matrix_of(seed + 1000, 5)).permutation_p for seed in range(200)]
    assert 0.02 < np.mean([p is not None and p <= 0.1 for p in found]) < 0.2


def test_what_all_sources_do_to_a_target_is_no_correlation_among_the_sources() -> None:
    targets = np.array([0.0, 5.0, 10.0, 20.0, 40.0])
    first, second = matrix_of(0, 5), matrix_of(1, 5)
    plain, moved = correlate(first, second), correlate(first + targets, second + 2 * targets)
    assert moved.pearson is not None
    assert moved.pearson > 0.95
    assert moved.within == pytest.approx(plain.within)
    assert moved.within_p == pytest.approx(plain.within_p)
    only_targets = np.where(np.isnan(first), np.nan, targets)
    assert correlate(only_targets, second).within is None
    assert correlate(first, first).within == pytest.approx(1.0)


def test_what_does_not_vary_or_is_too_little_has_no_correlation() -> None:
    constant = np.where(np.isnan(matrix_of(0)), np.nan, 1.0)
    assert correlate(matrix_of(0), constant).pearson is None
    two = correlate(matrix_of(0, 2), matrix_of(1, 2))
    assert (two.n, two.pearson, two.permutation_p) == (2, None, None)


def test_a_missing_training_leaves_its_cells_open_and_its_seed_out_of_the_mean() -> None:
    scores = scores_by(noisy_loss(effect_by_name))
    pair = frozenset({"depth", "edges"})

    def is_kept(training: PlannedTraining, seeds: tuple[int, ...]) -> bool:
        lost = training.network.group == pair and training.source is None and training.seed in seeds
        return not (lost and (training.network.size, training.share) == (1, 1))

    one = make_report(run_of([s for s in scores if is_kept(s.training, (1,))]))
    assert one.pairs.mean.n_seeds == 2
    assert value(one.pairs, "depth", "edges") is not None
    every = make_report(run_of([s for s in scores if is_kept(s.training, (0, 1, 2))]))
    assert value(every.pairs, "depth", "edges") is None
    assert value(every.pairs, "edges", "depth") is None
    assert every.pairs.mean.value is None
    assert every.transfer_against_pairs.n == 10
    assert every.transfer_against_pairs.permutation_p is None
    assert "missing in every seed" in sentence(every, "pairs")


@given(seed=st.integers(0, 10**6))
def test_noise_alone_is_found_to_be_noise_and_none_to_be_none(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    effects = drawn.normal(size=(6, 6))
    assert reliability(effects, np.zeros((6, 6))) == pytest.approx(1.0)
    noise = drawn.normal(size=(6, 6, 20))
    found = reliability(noise.mean(axis=2), noise.std(axis=2, ddof=1) / np.sqrt(20))
    assert found is not None
    assert 0 <= found < 0.75


def test_effects_count_as_clear_only_beyond_their_own_noise() -> None:
    gains = np.full((2, 2, 4), np.nan)
    gains[0, 1] = [0.10, 0.11, 0.12, 0.11]
    gains[1, 0] = [-0.10, -0.30, 0.05, -0.15]  # beyond one standard error, and not beyond the interval
    found = effects_of(gains, 1.0, 1.0)
    assert (found.n_helped, found.n_harmed) == (1, 0)
    assert (effects_of(-gains, 1.0, 1.0).n_helped, effects_of(-gains, 1.0, 1.0).n_harmed) == (0, 1)
    assert quantile(4) == pytest.approx(3.1824, abs=1e-3)
    assert quantile(1) == float("inf")


def test_sentences_say_what_is_clear() -> None:
    report = make_report(run_of(scores_by(noisy_loss(lambda source, target: 0.05))))
    assert "a task does 5.0 % better than alone on average (95 % interval" in sentence(report, "pairs")
    assert "within the noise" not in sentence(report, "pairs")
    assert "Together is better" in sentence(report, "together")
    harmed = make_report(run_of(scores_by(noisy_loss(lambda source, target: -0.05))))
    assert "5.0 % worse than alone" in sentence(harmed, "pairs")
    assert "Alone is better" in sentence(harmed, "together")


def test_sentences_say_what_the_noise_leaves_open() -> None:
    report = make_report(run_of(scores_by(noisy_loss(lambda source, target: 0.0, noise=0.05))))
    assert "within the noise" in sentence(report, "pairs")
    assert "neither is shown to be better" in sentence(report, "together")
    assert "There is no evidence here" in sentence(report, "transfer")
    assert "does not show that there is no relation" in sentence(report, "transfer")


def test_relations_that_stay_or_turn_from_setup_to_setup_are_told_so() -> None:
    same = make_report(run_of(scores_by(noisy_loss(effect_by_name))))
    assert "Effects at size 0.5 and size 1 are alike" in sentence(same, "size")
    assert "Effects at 50 % of the rows and all rows are alike" in sentence(same, "data")
    assert "Transfer goes with" in sentence(same, "transfer")
    loss_of, turned_of = noisy_loss(effect_by_name), noisy_loss(lambda s, t: -effect_by_name(s, t))
    turned = scores_by(
        lambda training, task: (turned_of if training.network.size == 0.5 else loss_of)(training, task)
    )
    assert "Effects at size 0.5 and size 1 are hardly related" in sentence(
        make_report(run_of(turned)), "size"
    )


def test_a_relation_between_targets_alone_is_not_sold_as_one_between_pairs() -> None:
    tasks = ("a", "b", "c", "d", "e")
    lost = dict(zip(tasks, (0.0, 0.1, 0.2, 0.3, 0.5), strict=True))

    def loss_of(training: PlannedTraining, task: str) -> float:
        effect = noisy_loss(lambda source, target: -10 * lost[target], noise=0.0)
        return effect(training, task) + noisy_loss(lambda source, target: 0.0, noise=0.1)(training, task)

    report = make_report(run_of(scores_by(loss_of, tasks), tasks))
    found = report.transfer_against_pairs
    assert found.permutation_p is not None
    assert found.permutation_p < 0.05
    assert "among the sources of one target there is no evidence" in sentence(report, "transfer")


def test_one_seed_has_no_noise_and_says_so() -> None:
    options = replace(OPTIONS, n_seeds=1)
    report = make_report(run_of(scores_by(noisy_loss(effect_by_name), options=options), options=options))
    assert report.pairs.mean.standard_error is None
    assert all(error is None for row in report.pairs.standard_errors for error in row)
    assert (report.pairs.n_helped, report.pairs.n_harmed) == (0, 0)
    assert all(NO_NOISE in sentence(report, question) for question in ("pairs", "together", "size", "data"))


def test_two_tasks_are_a_study_too() -> None:
    report = example_report(("depth", "edges"))
    assert report.transfer_against_pairs.pearson is None
    assert "too few pairs" in sentence(report, "transfer")
