"""How planned trials are cut into stacks."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.jobs.job import Ledger
from grouping.domain.networks import Network
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.faults import Standing
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import Purpose, Trial, TrialState
from grouping.trainers import stacks
from grouping.trainers.stacks import MAX_STACK
from grouping_workers.job.stack_size import FIRST_STACK, LONGEST_STACK_S, largest_stack

RECIPE = Recipe(epochs=10)


def trial(position: int, **changes: Any) -> Trial:
    values: dict[str, Any] = {
        "id": f"{position:032x}",
        "position": position,
        "network": Network.of(f"task{position}"),
        "purpose": Purpose.SEARCH,
        "seed": 0,
        "fidelity": 1.0,
        "state": TrialState.PLANNED,
        "attempts": 0,
        "planned_epochs": 10,
        "epochs": 0,
        "seconds": 0.0,
        "error": None,
        "started_s": None,
        "finished_s": None,
        "scores": (),
    }
    return Trial(**{**values, **changes})


def lost_once(is_so: bool) -> Standing:
    """Standing of a trial whose worker was lost once, or never."""
    return Standing(losses=int(is_so))


def make_stacks(
    planned: list[Trial], n_workers: int, engine: Engine = Engine.AUTO
) -> list[tuple[Trial, ...]]:
    """The stacks as trials; all of them whole where the seeds of a network are trained as one."""
    made = stacks.make_stacks(planned, n_workers, engine)
    assert {stack.is_whole for stack in made} <= {engine is Engine.VMAP}
    return [stack.trials for stack in made]


def test_a_small_plan_is_shared_by_all_workers() -> None:
    assert [len(stack) for stack in make_stacks([trial(i) for i in range(10)], 4)] == [2, 3, 2, 3]
    assert [len(stack) for stack in make_stacks([trial(i) for i in range(3)], 8)] == [1, 1, 1]
    assert make_stacks([], 4) == []


def test_a_large_plan_is_cut_so_that_workers_end_together() -> None:
    sizes = [len(stack) for stack in make_stacks([trial(i) for i in range(263)], 2)]
    assert sum(sizes) == 263
    assert len(sizes) % 2 == 0
    assert max(sizes) <= MAX_STACK
    assert max(sizes) - min(sizes) <= 1


def test_a_trial_that_was_lost_before_is_alone() -> None:
    planned = [trial(i, standing=lost_once(i in (1, 4))) for i in range(6)]
    found = make_stacks(planned, 1)
    assert [[t.position for t in stack] for stack in found] == [[0, 2, 3, 5], [1], [4]]


@given(
    n_seeds=st.integers(1, 12),
    n_workers=st.integers(1, 20),
    lost=st.sets(st.integers(0, 23)),
)
def test_the_seeds_of_a_network_are_trained_as_one_on_any_number_of_workers(
    n_seeds: int, n_workers: int, lost: set[int]
) -> None:
    places = [(seed, task) for seed in range(n_seeds) for task in ("a", "b")]
    planned = [
        trial(i, seed=seed, network=Network.of(task), standing=Standing(losses=2 if i in lost else 0))
        for i, (seed, task) in enumerate(places)
    ]
    found = make_stacks(planned, n_workers, Engine.VMAP)
    together = {frozenset(t.position for t in stack) for stack in found}
    wanted = {frozenset(i for i, (_, own) in enumerate(places) if own == task) - lost for task in "ab"}
    alone = {frozenset([i]) for i in lost if i < len(planned)}
    assert together == (wanted | alone) - {frozenset()}


def test_seeds_that_were_lost_once_stay_together_apart_from_the_others() -> None:
    planned = [trial(i, seed=i, network=Network.of("a"), standing=lost_once(i < 3)) for i in range(5)]
    found = make_stacks(planned, 4, Engine.VMAP)
    assert [[t.position for t in stack] for stack in found] == [[0, 1, 2], [3, 4]]


_kinds = st.tuples(st.integers(0, 2), st.sampled_from([0.5, 1.0]), st.sampled_from([0.2, 1.0]), st.booleans())


@given(kinds=st.lists(_kinds, max_size=200), n_workers=st.integers(1, 20))
def test_every_trial_is_in_one_stack_of_its_kind(
    kinds: list[tuple[int, float, float, bool]], n_workers: int
) -> None:
    planned = [
        trial(
            i,
            seed=seed,
            network=Network.of(f"t{i}", size=size),
            fidelity=fidelity,
            standing=lost_once(lost),
        )
        for i, (seed, size, fidelity, lost) in enumerate(kinds)
    ]
    found = make_stacks(planned, n_workers)
    assert sorted(t.position for stack in found for t in stack) == list(range(len(planned)))
    assert [stack[0].position for stack in found] == sorted(stack[0].position for stack in found)
    for stack in found:
        assert len({(t.seed, t.network.size, t.fidelity) for t in stack}) == 1
        assert len(stack) <= min(MAX_STACK, math.ceil(len(planned) / n_workers))
        assert len(stack) == 1 or not any(t.attempts for t in stack)


def test_under_a_budget_in_seconds_any_stack_may_be_parted() -> None:
    planned = [trial(i, seed=i, network=Network.of("a")) for i in range(5)]
    (stack,) = stacks.make_stacks(planned, 1, Engine.VMAP, is_timed=True)
    assert not stack.is_whole


def test_the_first_stacks_are_small_and_under_a_budget_in_seconds_single() -> None:
    unknown = Ledger(3, 0, 0.0)
    assert largest_stack(unknown, RECIPE.epochs, n_in_flight=3) == FIRST_STACK
    assert largest_stack(unknown, RECIPE.epochs, n_in_flight=3, budget_s=60.0) == 1


def test_a_stack_takes_about_as_long_as_allowed() -> None:
    spent = Ledger(10, 100, 100 * LONGEST_STACK_S / 200)  # a training takes a twentieth of what is allowed
    assert largest_stack(spent, RECIPE.epochs, n_in_flight=3) == 20
    assert largest_stack(spent, RECIPE.epochs / 2, n_in_flight=3) == 40
    assert largest_stack(Ledger(10, 100, 0.001), RECIPE.epochs, n_in_flight=3) >= MAX_STACK
    assert largest_stack(Ledger(10, 100, 1e9), RECIPE.epochs, n_in_flight=3) == 1


@given(
    budget_s=st.floats(1, 1e4),
    share=st.floats(0.001, 0.999),
    epoch_s=st.floats(1e-5, 10),
    n_in_flight=st.integers(2, 20),
)
def test_stacks_in_flight_take_a_tenth_of_what_is_left_or_are_single(
    budget_s: float, share: float, epoch_s: float, n_in_flight: int
) -> None:
    seconds = share * budget_s
    epochs = max(1, round(seconds / epoch_s))
    spent = Ledger(10, epochs, seconds)
    size = largest_stack(spent, RECIPE.epochs, n_in_flight=n_in_flight, budget_s=budget_s)
    in_flight_s = n_in_flight * size * RECIPE.epochs * seconds / epochs
    assert size == 1 or in_flight_s <= 0.1 * (budget_s - seconds) * (1 + 1e-9)
