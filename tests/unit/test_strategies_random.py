"""Random search: what it draws, and that more is always a superset."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from grouping.domain.networks import Candidates, Network
from grouping.errors import InvalidInputError
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, get_strategy
from grouping.strategies.baselines.random_search import default_trainings
from grouping.strategies.forecast import forecast
from grouping.strategies.sampling import random_networks
from tests.searches import run_to_the_end
from tests.tables import random_table

TRUTH = random_table(7, n_tasks=5, n_seeds=2)
NAMES = TRUTH.task_names
TOGETHER = Network.of(*NAMES)
DESCRIBED = Candidates.of(NAMES, single_sizes=(0.5,), limit=1)


def trained(n: int | None = None, seed: int = 0, candidates: Candidates | None = None) -> frozenset[Network]:
    return run_to_the_end(
        get_strategy("random", {} if n is None else {"trainings": n}), TRUTH, seed=seed, candidates=candidates
    ).networks


def test_it_trains_all_tasks_together_first_and_as_many_networks_as_wanted() -> None:
    found = run_to_the_end(get_strategy("random", {"trainings": 9}), TRUTH)
    assert len(found.batches) == 1
    assert found.requests[0].network == TOGETHER
    assert len(found.networks) == 9
    assert len(found.requests) == len(set(found.requests)) == 9 * len(TRUTH.seeds)
    assert found.search.recommend(1.0).grouping is not None


def test_without_parameters_it_trains_as_many_networks_as_hoa_before_it_predicts() -> None:
    assert len(trained()) == 20
    many = Candidates.of([f"t{i}" for i in range(40)], single_sizes=(0.5,))
    assert many.networks is None
    assert default_trainings(many) == 40 + 40 + 780


@pytest.mark.parametrize("space", [None, DESCRIBED])
def test_more_trainings_train_a_superset(space: Candidates | None) -> None:
    for few, many in ((1, 5), (5, 6), (6, 30)):
        assert trained(few, candidates=space) < trained(many, candidates=space)


@pytest.mark.parametrize("space", [None, DESCRIBED])
def test_it_ends_with_every_candidate_when_more_are_wanted_than_there_are(space: Candidates | None) -> None:
    assert trained(20_000, candidates=space) == set(TRUTH.networks)


def test_the_seed_decides_and_nothing_else_does() -> None:
    assert trained(9) == trained(9)
    assert trained(9) != trained(9, seed=1)
    turned = TRUTH.select(list(reversed(range(len(TRUTH.networks)))))
    space = Candidates.listed(NAMES, turned.networks)
    assert trained(9, candidates=space) == trained(9), "the order of the candidates does not matter"


def test_described_candidates_are_drawn_uniformly() -> None:
    counts = Counter(
        len(next(random_networks(Candidates.of(NAMES, limit=1), seed)).group) for seed in range(2000)
    )
    expected = {1: 5, 2: 10, 3: 10, 4: 5, 5: 1}
    for size, share in expected.items():
        assert counts[size] / 2000 == pytest.approx(share / 31, abs=0.04)


def test_groups_of_many_tasks_are_generated_within_their_limit() -> None:
    space = Candidates.of([f"t{i}" for i in range(60)], max_group_size=6)
    drawn = list(islice(random_networks(space, 3), 300))
    assert len({n.group for n in drawn}) == 300
    assert {len(n.group) for n in drawn} <= set(range(1, 7))
    assert sum(len(n.group) == 6 for n in drawn) > 200, "most groups are of the largest size"
    empty = TRUTH.select([])
    requests = (
        get_strategy("random", {"trainings": 12})
        .ask(Evidence(space, empty, empty, (10.0,), (0,)), solve_budgets)
        .requests
    )
    assert len(requests) == 12
    assert [len(r.network.group) for r in requests[:10]] == [6] * 10, "ten groups cover sixty tasks"


def test_a_diverged_network_of_all_tasks_is_replaced_by_smaller_ones() -> None:
    found = run_to_the_end(
        get_strategy("random", {"trainings": 1}),
        TRUTH,
        diverges=lambda r: len(r.network.group) == 5,
        budgets_snt=(2.0,),
    )
    assert [sorted(len(r.network.group) for r in batch) for batch in found.batches] == [[5, 5], [1, 1, 4, 4]]
    assert found.search.recommend(2.0).grouping is not None


def test_it_goes_on_inside_a_batch_and_ends_when_everything_diverges() -> None:
    whole = run_to_the_end(get_strategy("random"), TRUTH)
    assert run_to_the_end(get_strategy("random"), TRUTH, stops_inside=True).requests == whole.requests
    run_to_the_end(get_strategy("random"), TRUTH, diverges=lambda _: True)


def test_its_forecast_is_exact() -> None:
    empty = TRUTH.select([])
    space = Candidates.listed(NAMES, TRUTH.networks)
    told = forecast(get_strategy("random"), Evidence(space, empty, empty, (1.0,), TRUTH.seeds), solve_budgets)
    assert told.is_exact
    assert told.n_lower == 40


@pytest.mark.parametrize("trainings", [0, -1, "many"])
def test_a_number_that_is_none_is_refused(trainings: object) -> None:
    with pytest.raises(InvalidInputError, match="trainings"):
        get_strategy("random", {"trainings": trainings})
