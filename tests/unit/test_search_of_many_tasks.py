"""The adaptive search from `MANY_TASKS` tasks on, which generates its candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.domain.networks import Candidates, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TrialRequest
from grouping.search import Search
from grouping.solver import BudgetSolver
from grouping.strategies import get_strategy

N_TASKS = 60
NAMES = tuple(f"t{t:02d}" for t in range(N_TASKS))
CLUSTER = {name: t % 6 for t, name in enumerate(NAMES)}


def losses_of(network: Network) -> dict[str, float]:
    """Losses that a partner of the own cluster lowers and others raise, with luck that differs by group."""
    luck = np.random.default_rng([NAMES.index(name) for name in sorted(network.group)])
    found = {}
    for name in sorted(network.group):
        same = sum(CLUSTER[other] == CLUSTER[name] for other in network.group) - 1
        others = len(network.group) - 1 - same
        found[name] = 1.0 - 0.03 * same + 0.006 * others + luck.normal(0, 0.005)
    return found


def search_of(candidates: Candidates, budgets: tuple[float, ...], **options: object) -> Search:
    tasks = [Task(name) for name in candidates.tasks]
    strategy = get_strategy("adaptive", {"tolerance": 0, "batch": 20})
    return Search(strategy, tasks, candidates, budgets_snt=budgets, **options)  # type: ignore[arg-type]


def trained(search: Search, steps: int | None = None) -> list[tuple[TrialRequest, ...]]:
    """Train step after step; return what was asked for."""
    asked: list[tuple[TrialRequest, ...]] = []
    while (steps is None or len(asked) < steps) and (requests := search.ask()):
        asked.append(requests)
        for request in requests:
            search.tell(request, losses_of(request.network))
    return asked


@pytest.fixture(scope="module")
def planted() -> tuple[Search, list[tuple[TrialRequest, ...]]]:
    search = search_of(Candidates.of(NAMES), (6.0,), max_trainings=2 * N_TASKS)
    return search, trained(search)


def test_planted_clusters_are_found_within_two_trainings_per_task(
    planted: tuple[Search, list[tuple[TrialRequest, ...]]],
) -> None:
    search, _ = planted
    clusters = [Network(frozenset(n for n in NAMES if CLUSTER[n] == c)) for c in range(6)]
    best = sum(sum(losses_of(network).values()) for network in clusters)
    together = sum(losses_of(Network(frozenset(NAMES))).values())
    found = search.recommend(6.0).loss
    assert found is not None
    assert together - found >= 0.8 * (together - best)


def test_no_network_is_trained_twice_and_a_step_holds_different_ones(
    planted: tuple[Search, list[tuple[TrialRequest, ...]]],
) -> None:
    _, asked = planted
    keys = [request.key for requests in asked for request in requests]
    assert len(keys) == len(set(keys)) == 2 * N_TASKS
    assert len(asked[1]) == 20


def test_what_is_running_is_not_asked_for_again_and_changes_what_is() -> None:
    search = search_of(Candidates.of(NAMES), (2.0, 5.0))
    trained(search, steps=2)
    evidence = search.evidence
    solver, strategy = BudgetSolver(), get_strategy("adaptive")
    first = strategy.ask(evidence, solver).requests
    second = strategy.ask(replace(evidence, running=frozenset(r.key for r in first)), solver).requests
    assert second
    assert not {r.key for r in first} & {r.key for r in second}


def test_the_estimate_is_certain_only_of_what_was_measured() -> None:
    search = search_of(Candidates.of(NAMES), (5.0,))
    trained(search, steps=2)
    estimate = search.estimate()
    inside = np.isfinite(estimate.table.validation)
    assert (estimate.standard_deviations[~estimate.is_measured][inside[~estimate.is_measured]] > 0).all()
    assert {n for n, m in zip(estimate.table.networks, estimate.is_measured, strict=True) if m} == set(
        search.scores().networks
    )


def test_a_hundred_tasks_are_planned_within_group_sizes_and_sets_kept_apart() -> None:
    names = tuple(f"t{t:03d}" for t in range(100))
    apart = (frozenset(names[:3]),)
    candidates = replace(Candidates.of(names, max_group_size=12), apart=apart)
    search = search_of(candidates, (10.0, 20.0))
    generator = np.random.default_rng(0)
    asked: list[tuple[TrialRequest, ...]] = []
    for _ in range(3):
        asked.append(search.ask())
        for request in asked[-1]:
            search.tell(request, {name: generator.uniform(0.9, 1.1) for name in request.network.group})
    for network in (request.network for requests in asked for request in requests):
        assert len(network.group) <= 12
        assert len(network.group & apart[0]) <= 1
    grouping = search.recommend(20.0).grouping
    assert grouping is not None
    assert grouping.cost_snt <= 20.0


def test_listed_candidates_are_kept_to() -> None:
    pairs = [Network.of(NAMES[t], NAMES[(t + step) % N_TASKS]) for t in range(N_TASKS) for step in (1, 5)]
    listed = [Network.of(name) for name in NAMES] + pairs
    search = search_of(Candidates.listed(NAMES, listed), (30.0,))
    asked = trained(search, steps=3)
    assert {request.network for requests in asked for request in requests} <= set(listed)
    assert len(asked[-1]) > 0
