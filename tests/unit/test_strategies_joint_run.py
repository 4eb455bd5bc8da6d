"""Strategies on affinities from joint runs: what they ask for, what they choose, and how they end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from grouping.domain.affinities.joint_matrices import joint_affinities
from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, MASK_OVERLAP, JointAffinities, JointRun
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import METHODS
from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network, list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError, TooManyCandidatesError
from grouping.search import Search
from grouping.solver import solve_budgets
from grouping.strategies import get_strategy
from grouping.strategies.forecast import forecast
from grouping.strategies.paper.tag import group_affinities
from tests.tables import random_table

NAMES = ("a", "b", "c", "d")
TASKS = tuple(Task(name) for name in NAMES)
ALL = Network.of(*NAMES)
Z = np.array(
    [[0.50, 0.30, 0.01, 0.02], [0.28, 0.50, 0.02, 0.01], [0.02, 0.01, 0.50, 0.40], [0.01, 0.03, 0.35, 0.50]]
)
"""a and b help each other, as do c and d; everything helps a little; each task helps itself most."""


def matrices(cells: np.ndarray = Z, names: tuple[str, ...] = NAMES) -> Mapping[str, AffinityMatrix]:
    shape = cells.shape
    runs = [
        JointRun(
            Network.of(*names),
            seed,
            JointAffinities(names, dict.fromkeys(GRADIENT_METHODS, cells), 5, np.ones(shape)),
        )
        for seed in (0, 1)
    ]
    return joint_affinities(names, runs)


def make_search(
    name: str, candidates: Candidates | None = None, budget_snt: float = 2.0, **parameters: object
) -> Search:
    return Search(
        get_strategy(name, parameters),
        TASKS,
        candidates or Candidates.of(NAMES, single_sizes=(0.5,)),
        budgets_snt=(budget_snt,),
        seeds=(0, 1),
    )


def tell_all(search: Search, requests: tuple[TrialRequest, ...], diverged: bool = False) -> None:
    for request in requests:
        losses = dict.fromkeys(request.network.group, 0.5)
        search.tell(request, None if diverged else losses)


def groups(requests: tuple[TrialRequest, ...]) -> set[str]:
    return {request.network.name() for request in requests}


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_all_tasks_together_come_first_with_every_seed_and_are_measured(name: str) -> None:
    search = make_search(name)
    first = search.ask()
    assert [(r.network, r.seed, r.measures_affinity) for r in first] == [(ALL, 0, True), (ALL, 1, True)]


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_the_groups_that_help_each_other_are_trained_and_that_is_the_end(name: str) -> None:
    search = make_search(name)
    tell_all(search, search.ask())
    search.tell_affinities(matrices())
    chosen = search.ask()
    assert groups(chosen) == {"a+b", "c+d"}
    assert {(r.seed, r.measures_affinity, r.fidelity) for r in chosen} == {(0, False, 1.0), (1, False, 1.0)}
    tell_all(search, chosen)
    assert search.ask() == ()
    assert search.stop_reason is StopReason.SEARCH_COMPLETE
    measured = {network.name() for network in search.recommend(2.0).require_grouping().networks}
    assert measured <= {"a+b", "c+d", "a+b+c+d"}


def test_a_task_that_is_harmed_by_all_is_trained_alone() -> None:
    cells = Z.copy()
    cells[:, 3] = (-0.2, -0.1, -0.3, 0.5)
    cells[3, :3] = -0.1
    search = make_search("tag", budget_snt=3.0)
    tell_all(search, search.ask())
    search.tell_affinities(matrices(cells))
    assert "d" in groups(search.ask())


def test_positive_affinities_never_advise_alone_unless_the_task_itself_is_the_reference() -> None:
    for reference, alone in (("zero", set()), ("self", set(NAMES))):
        search = Search(
            get_strategy("tag", {"reference": reference}),
            TASKS,
            Candidates.of(NAMES),
            budgets_snt=(4.0,),
        )
        tell_all(search, search.ask())
        search.tell_affinities(matrices())
        chosen = groups(search.ask())
        assert {name for name in chosen if "+" not in name} == alone


@pytest.mark.parametrize("diverged", [False, True])
def test_a_joint_run_without_affinities_ends_the_search_with_a_note(diverged: bool) -> None:
    search = make_search("tag")
    tell_all(search, search.ask(), diverged)
    assert search.ask() == ()
    assert search.stop_reason is StopReason.SEARCH_COMPLETE
    assert "measured no affinities" in search.note
    assert "hoa" in search.note


def test_a_chosen_group_that_diverges_is_replaced() -> None:
    search = make_search("tag")
    tell_all(search, search.ask())
    search.tell_affinities(matrices())
    tell_all(search, search.ask(), diverged=True)
    again = groups(search.ask())
    assert again
    assert not again & {"a+b", "c+d"}


def test_all_together_is_trained_also_where_it_is_no_candidate_and_not_chosen() -> None:
    search = make_search("tag", Candidates.of(NAMES, max_group_size=2))
    first = search.ask()
    assert groups(first) == {"a+b+c+d"}
    tell_all(search, first)
    search.tell_affinities(matrices())
    assert groups(search.ask()) == {"a+b", "c+d"}


def test_groups_with_a_pair_that_was_not_measured_are_not_chosen() -> None:
    cells = Z.copy()
    cells[0, 1] = np.nan
    search = make_search("tag")
    tell_all(search, search.ask())
    search.tell_affinities(matrices(cells))
    assert not [r for r in search.ask() if {"a", "b"} <= r.network.group]


def test_a_single_task_ends_with_its_network() -> None:
    search = Search(get_strategy("tag"), (Task("a"),), Candidates.of(("a",)), budgets_snt=(1.0,), seeds=(0,))
    tell_all(search, search.ask())
    search.tell_affinities(matrices(np.array([[0.3]]), ("a",)))
    assert search.ask() == ()


@pytest.mark.parametrize("reference", ["zero", "self"])
def test_the_affinity_of_a_group_is_the_mean_over_the_others(reference: str) -> None:
    matrix = matrices()["tag"]
    networks = list_candidates(NAMES, max_group_size=4)
    found = group_affinities(matrix, networks, reference)  # type: ignore[arg-type]
    for n, network in enumerate(networks):
        for j, task in enumerate(NAMES):
            if task not in network.group:
                assert np.isnan(found[n, j])
                continue
            sources = [
                i for i, s in enumerate(NAMES) if s in network.group and (i != j or reference == "self")
            ]
            assert found[n, j] == pytest.approx(np.mean(Z[sources, j]) if sources else 0.0)


def test_twenty_thousand_groups_are_estimated_at_once() -> None:
    names = tuple(f"task {i}" for i in range(15))
    candidates = Candidates.of(names, max_group_size=6)
    assert candidates.networks is not None
    cells = np.random.default_rng(0).uniform(0, 0.1, (15, 15))
    found = group_affinities(matrices(cells, names)["tag"], candidates.networks)
    assert found.shape == (candidates.count, 15)
    last = candidates.networks[-1]
    j = names.index(max(last.group))
    others = [names.index(task) for task in last.group if task != names[j]]
    assert found[-1, j] == pytest.approx(cells[others, j].mean())


def test_too_many_candidates_are_refused_before_anything_is_trained() -> None:
    names = tuple(f"task {i}" for i in range(40))
    search = Search(
        get_strategy("tag"), tuple(Task(name) for name in names), Candidates.of(names), budgets_snt=(2.0,)
    )
    with pytest.raises(TooManyCandidatesError):
        search.ask()


def test_what_is_trained_is_foretold_within_bounds() -> None:
    search = make_search("tag")
    told = forecast(get_strategy("tag"), search.evidence, solve_budgets)
    assert dict(told.lower) == {(4, 1.0, 1.0): 2}
    tell_all(search, search.ask())
    search.tell_affinities(matrices())
    assert told.n_lower <= 2 + len(search.ask()) <= told.n_upper


def test_a_reference_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="reference"):
        get_strategy("tag", {"reference": "other"})


# --- matrices of joint runs


def run(network: Network, seed: int, cells: np.ndarray, overlap: float = 1.0) -> JointRun:
    tasks = tuple(name for name in NAMES if name in network.group)
    shares = np.full(cells.shape, overlap)
    np.fill_diagonal(shares, 1.0)
    return JointRun(network, seed, JointAffinities(tasks, {"tag": cells}, 3, shares))


def test_runs_are_averaged_over_networks_within_a_seed_and_then_over_seeds() -> None:
    pair = Network.of("a", "b")
    found = joint_affinities(
        NAMES,
        [
            run(ALL, 0, np.full((4, 4), 0.1)),
            run(pair, 0, np.full((2, 2), 0.3)),
            run(ALL, 1, np.full((4, 4), 0.4)),
        ],
    )["tag"]
    assert found.values[0, 1] == pytest.approx((0.2 + 0.4) / 2)
    assert found.standard_errors[0, 1] == pytest.approx(0.1)
    assert found.n_networks[0, 1] == 2
    assert found.n_networks[2, 3] == 1
    assert any("different groups" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("overlap", "words"), [(0.2, "noise"), (0.35, "unreliable"), (0.45, None), (1.0, None)]
)
def test_pairs_that_share_few_samples_are_named(overlap: float, words: str | None) -> None:
    runs = [run(Network.of("a", "b"), seed, np.ones((2, 2)), overlap) for seed in (0, 1)]
    warnings = joint_affinities(("a", "b"), runs)["tag"].warnings
    assert len(warnings) == (words is not None)
    if words:
        assert words in warnings[0]
        assert f"a and b ({100 * overlap:.0f} %)" in warnings[0]


def test_one_seed_mixed_sizes_and_missing_pairs_are_warned_about() -> None:
    pair, small = Network.of("a", "b"), Network.of("a", "b", size=0.5)
    found = joint_affinities(NAMES, [run(network, 0, np.ones((2, 2))) for network in (small, pair)])
    text = " ".join(found["tag"].warnings)
    missing = "not been measured: a and c, a and d, b and c, b and d, c and d."
    for words in ("One seed only", "different sizes", missing):
        assert words in text
    assert "cosine" not in found, "no run measured it"


def test_no_run_gives_no_matrix() -> None:
    assert joint_affinities(NAMES, []) == {}


def test_small_shares_are_shown_with_two_digits_and_cosines_as_numbers() -> None:
    tag = matrices(Z / 1000)["tag"]
    assert tag.shown(0.0004) == "+0.040 %"
    assert tag.summary() == "c helps d most (+0.040 % ± 0.000 %)."
    assert matrices()["cosine"].shown(-0.4) == "-0.40"
    assert set(METHODS) == {
        "estimate",
        "posterior",
        "pairwise",
        "higher-order",
        *GRADIENT_METHODS,
        MASK_OVERLAP,
    }


def test_a_matrix_in_another_order_has_the_same_effects() -> None:
    matrix = matrices()["tag"]
    turned = matrix.reordered((3, 1, 0, 2))
    assert turned.tasks == ("d", "b", "a", "c")
    assert {(e.source, e.target): e.value for e in turned.effects()} == {
        (e.source, e.target): e.value for e in matrix.effects()
    }
    assert turned.self_values is not None
    assert turned.values[0, 3] == Z[3, 2]


def test_a_score_table_without_gradients_cannot_feed_the_strategy() -> None:
    truth = random_table(3, n_tasks=3)
    search = Search(get_strategy("cosine"), truth.tasks, Candidates.of(truth.task_names), budgets_snt=(2.0,))
    while requests := search.ask():
        for request in requests:
            row = truth.position(request.network)
            search.tell(
                request,
                {
                    task: float(truth.validation[row, t])
                    for t, task in enumerate(truth.task_names)
                    if task in request.network.group
                },
            )
    assert "scores come from elsewhere" in search.note
    assert isinstance(search.scores(), ScoreTable)
    assert solve_budgets(search.scores(), (1.0,))[0].grouping is not None
