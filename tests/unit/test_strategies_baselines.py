"""All together and all alone: the two baselines without a search."""

from __future__ import annotations

from grouping.domain.networks import Candidates, Network
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, get_strategy
from grouping.strategies.sampling import cover
from tests.searches import run_to_the_end
from tests.tables import random_table

TRUTH = random_table(7, n_tasks=5, n_seeds=2)
NAMES = TRUTH.task_names


def test_all_together_trains_the_network_of_all_tasks_with_every_seed_and_ends() -> None:
    found = run_to_the_end(get_strategy("all-together"), TRUTH)
    assert [(r.network, r.seed) for r in found.requests] == [(Network.of(*NAMES), s) for s in TRUTH.seeds]
    assert found.search.recommend(1.0).require_grouping().networks == (Network.of(*NAMES),)
    assert set(found.notes) == {""}


def test_where_groups_are_limited_the_largest_cover_the_tasks_in_order_and_the_note_says_so() -> None:
    for limit in (20_000, 1):  # listed and described
        space = Candidates.of(NAMES, max_group_size=3, single_sizes=(0.5,), limit=limit)
        found = run_to_the_end(get_strategy("all-together"), TRUTH, candidates=space, budgets_snt=(2.0,))
        assert found.networks == {Network.of(*NAMES[:3]), Network.of(*NAMES[3:])}
        assert "No candidate holds all 5 tasks" in found.notes[-1]
        assert "task 3+task 4" in found.notes[-1]
        assert found.search.recommend(2.0).grouping is not None


def test_a_diverged_network_of_all_tasks_ends_the_baseline_and_is_named() -> None:
    found = run_to_the_end(get_strategy("all-together"), TRUTH, diverges=lambda _: True)
    assert len(found.batches) == 1
    assert "diverged" in found.notes[-1]


def test_all_alone_trains_every_task_at_full_and_half_size() -> None:
    found = run_to_the_end(get_strategy("all-alone"), TRUTH, budgets_snt=(2.5, 5.0))
    assert len(found.requests) == len(set(found.requests)) == 2 * 2 * len(NAMES)
    assert {(len(n.group), n.size) for n in found.networks} == {(1, 1.0), (1, 0.5)}
    assert {n.size for n in found.search.recommend(2.5).require_grouping().networks} == {0.5}


def test_all_alone_trains_full_size_only_where_there_is_nothing_else() -> None:
    space = Candidates.of([f"task {i}" for i in range(30)])
    empty = TRUTH.select([])
    requests = (
        get_strategy("all-alone").ask(Evidence(space, empty, empty, (1.0,), (0,)), solve_budgets).requests
    )
    assert [r.network for r in requests] == [Network.of(f"task {i}") for i in range(30)]


def test_a_cover_of_an_incomplete_list_takes_the_groups_that_serve_most() -> None:
    a, b, c, d, e = NAMES
    listed = [Network.of(a), Network.of(b, c, d), Network.of(a, b), Network.of(e, size=0.5), Network.of(a, e)]
    space = Candidates.listed(NAMES, listed)
    assert cover(space) == (Network.of(b, c, d), Network.of(a, e))
    lost = {Network.of(a, e).key}
    assert cover(space, lost) == (Network.of(b, c, d), Network.of(a), Network.of(e, size=0.5))


def test_a_cover_of_described_candidates_goes_round_what_diverged() -> None:
    space = Candidates.of(NAMES, limit=1)
    assert cover(space) == (Network.of(*NAMES),)
    lost = {Network.of(*NAMES).key}
    assert cover(space, lost) == (Network.of(*NAMES[:4]), Network.of(NAMES[4]))
