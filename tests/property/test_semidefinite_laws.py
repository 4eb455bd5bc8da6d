"""Semidefinite bounds on groups, and the search that rests on them, against all groups."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.solver import PairwiseEstimate, solve_pairwise
from grouping.solver.exact.instance import BoolArray
from grouping.solver.pairwise import unlisted_groups
from grouping.solver.pairwise.group_search import GroupSearch
from grouping.solver.pairwise.semidefinite_bound import SizeBound
from grouping.solver.pairwise.semidefinite_search import SemidefiniteSearch
from tests.effort import examples


def _case(n_tasks: int, seed: int, n_apart: int, max_size: int | None) -> tuple[GroupSearch, FloatArray]:
    """Random pairs, of which some must not share, and duals about as high as the pairs."""
    generator = np.random.default_rng(seed)
    pairs = generator.uniform(0, 1, (n_tasks, n_tasks))
    for _ in range(n_apart):
        i, j = generator.choice(n_tasks, 2, replace=False)
        pairs[i, j] = np.inf
    return GroupSearch(pairs, max_size), generator.uniform(0.2, 1, n_tasks)


def _all_groups(search: GroupSearch) -> BoolArray:
    masks = np.arange(1, 1 << search.n_tasks)
    members = ((masks[:, None] >> np.arange(search.n_tasks)) & 1) > 0
    return members[search.is_allowed(members)]


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(2, 7), st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([0, 1, 30]), st.data())
def test_the_identity_bounds_every_group_however_far_the_method_has_come(
    n_tasks: int, seed: int, n_apart: int, rounds: int, data: st.DataObject
) -> None:
    search, duals = _case(n_tasks, seed, n_apart, None)
    size = data.draw(st.integers(2, n_tasks))
    bound = SizeBound(size, search.is_apart)
    bound.set_arcs(duals[:, None] - search.finite_pairs)
    bound.tighten(rounds)
    certificate = bound.certificate()
    assert certificate.penalties.min() >= 0
    assert np.linalg.eigvalsh(certificate.form)[0] >= -1e-9
    groups = _all_groups(search)
    for members in groups[groups.sum(axis=1) == size]:
        losses = search.losses(members[None])[0]
        roles = np.stack([members & (losses < duals), members & (losses >= duals)], axis=1).ravel()
        chosen, with_one = np.flatnonzero(roles), np.concatenate([[1.0], roles])
        identity = certificate.constant + certificate.unary[chosen].sum()
        identity -= (
            certificate.penalties[np.ix_(chosen, chosen)].sum() + with_one @ certificate.form @ with_one
        )
        value = search.values(members[None], duals)[0]
        assert identity == pytest.approx(value, abs=1e-7)
        assert value <= certificate.bound + 1e-9


@settings(max_examples=examples(60), deadline=None)
@given(
    st.integers(2, 8),
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.sampled_from([None, 2, 4]),
    st.integers(1, 40),
    st.booleans(),
)
def test_the_search_by_size_finds_every_group_above_the_threshold(
    n_tasks: int, seed: int, n_apart: int, max_size: int | None, n_wanted: int, is_ladder: bool
) -> None:
    search, duals = _case(n_tasks, seed, n_apart, max_size)
    groups = _all_groups(search)
    values = search.values(groups, duals)
    threshold = float(np.sort(values)[-min(n_wanted, len(values))]) - 1e-7 if len(values) else 0.5
    by_size = SemidefiniteSearch(search)
    found = by_size.above(threshold, duals, max_found=10_000, deadline=math.inf, is_ladder=is_ladder)
    expected = np.sort(values[values > threshold])[::-1]
    assert found.bound >= values.max(initial=threshold) - 1e-9
    if is_ladder:
        assert found.values.size or not expected.size, "if there is one, some are found"
        assert set(np.round(found.values, 9)) <= set(np.round(expected, 9))
    else:
        assert found.is_complete
        assert np.allclose(found.values, expected)


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(3, 8), st.integers(0, 10_000), st.sampled_from([0.0, 0.02]))
def test_a_search_by_size_that_stops_early_still_bounds(n_tasks: int, seed: int, seconds: float) -> None:
    search, duals = _case(n_tasks, seed, 1, None)
    top = search.values(_all_groups(search), duals).max(initial=0.0)
    by_size = SemidefiniteSearch(search)
    for _ in range(2):  # the second goes on with other duals
        deadline = time.monotonic() + seconds
        found = by_size.above(0.0, duals, max_found=3, deadline=deadline, is_ladder=True)
        assert found.bound >= top - 1e-9
        duals = duals[::-1].copy()
        top = search.values(_all_groups(search), duals).max(initial=0.0)


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(4, 9), st.integers(0, 10_000), st.sampled_from([1.0, 2.0, 3.0]))
def test_groups_searched_by_size_give_the_same_optimum(n_tasks: int, seed: int, budget: float) -> None:
    generator = np.random.default_rng(seed)
    names = tuple(f"t{i}" for i in range(n_tasks))
    singles = tuple((Network.of(name), 1.0) for name in names)
    pairs = 1 + generator.normal(0, 0.1, (n_tasks, n_tasks))
    estimate = PairwiseEstimate(names, singles, pairs, np.ones(n_tasks))
    expected = solve_pairwise(estimate, budget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlisted_groups, "_FEW_STATES", 0)
        patch.setattr(unlisted_groups, "_PATIENCE", 0)
        solution = solve_pairwise(estimate, budget)
    assert solution.status is expected.status
    assert solution.loss == pytest.approx(expected.loss, rel=1e-9)


def test_the_bound_of_a_size_is_far_below_that_of_best_partners() -> None:
    generator = np.random.default_rng(0)
    search = GroupSearch(generator.uniform(0, 1, (24, 24)))
    duals = np.full(24, 0.6)
    bound = SizeBound(8, search.is_apart)
    bound.set_arcs(duals[:, None] - search.finite_pairs)
    reached = bound.tighten(100)
    best_partners = np.sort(np.maximum(0.0, duals - search.least_losses()[:, 6]))[::-1][:8].sum()
    best = search.improve(np.eye(24, dtype=np.bool_) | np.eye(24, k=1, dtype=np.bool_), duals, rounds=20)
    of_size = best[best.sum(axis=1) == 8]
    assert search.values(of_size, duals).max(initial=0.0) <= reached < 0.7 * best_partners
