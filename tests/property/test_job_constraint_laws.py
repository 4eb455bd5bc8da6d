"""Constraints of a search: what is trained and recommended under them, while scores come in."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Grouping
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.resources import Resources, StatedResources
from grouping.domain.trainings.terms import TrainingTerms
from grouping.domain.trainings.trials import Purpose
from grouping.domain.verdicts.baselines import ComparedWith
from grouping.errors import InvalidInputError
from grouping.search import Search
from grouping.solver import BudgetSolver, recommend, solve
from grouping.strategies import get_strategy
from tests.defined import RESOURCES
from tests.effort import examples
from tests.property.test_constraint_laws import BUDGETS, demands, tables

TASKS = tuple(Task(name) for name in "abcd")
NAMES = tuple(task.name for task in TASKS)
CANDIDATES = Candidates.of(NAMES, single_sizes=(0.5,))
STRATEGIES = ("exhaustive", "hoa", "esa", "adaptive", "random", "surrogate", "continuation", "all-alone")


def loss(network: Network, task: str, seed: int) -> float:
    """Any loss, the same whenever it is asked for."""
    text = f"{network.name()} {task} {seed}"
    return 0.1 + hashlib.sha256(text.encode()).digest()[0] / 255 + 0.1 * (network.size < 1)


def searched(search: Search) -> Search:
    """Tell a search what it asks for, until it is over."""
    for _ in range(200):
        asked = search.ask()
        if not asked and search.stop_reason is not None:
            return search
        for request in asked:
            told = {task: loss(request.network, task, request.seed) for task in request.network.group}
            search.tell(request, told, told)
    raise AssertionError("the search does not end")


def keeps_to(grouping: Grouping, constraints: Constraints) -> bool:
    """Whether a grouping has the networks and the serving that these demands allow."""
    served = dict(zip(grouping.tasks, map(int, grouping.serving), strict=True))
    together = all(len({served[task] for task in tasks}) == 1 for tasks in constraints.together)
    allowed = all(constraints.allows(network) for network in grouping.networks)
    keys = {network.key for network in grouping.networks}
    forced = all(network.key in keys for network in constraints.forced)
    few = constraints.max_networks is None or len(grouping.networks) <= constraints.max_networks
    trained = [task for network in grouping.networks for task in network.group]
    disjoint = not constraints.is_partition or len(trained) == len(set(trained))
    return together and allowed and forced and few and disjoint


@st.composite
def searchable(draw: st.DrawFn) -> Constraints:
    """Demands on a search of four tasks; those that contradict each other are drawn again."""
    several = st.lists(st.frozensets(st.sampled_from(NAMES), min_size=2, max_size=3), max_size=1).map(tuple)
    networks = st.lists(st.sampled_from(CANDIDATES.require_listed()), max_size=1).map(tuple)
    while True:
        constraints = Constraints(
            together=draw(several),
            apart=draw(several),
            max_networks=draw(st.none() | st.integers(1, 4)),
            max_group_size=draw(st.none() | st.integers(1, 4)),
            is_partition=draw(st.booleans()),
            forced=draw(networks),
            forbidden=draw(networks),
            ceilings_alone=draw(st.dictionaries(st.sampled_from(NAMES), st.just(1.0), max_size=1)),
        )
        try:
            return constraints.of_search(CANDIDATES)
        except InvalidInputError:
            continue


@settings(max_examples=examples(30), deadline=None)
@given(searchable(), st.sampled_from(STRATEGIES), st.sampled_from(ComparedWith))
def test_a_search_trains_nothing_that_it_may_not_choose_and_recommends_nothing_else(
    constraints: Constraints, strategy: str, compared_with: ComparedWith
) -> None:
    search = searched(
        Search(
            get_strategy(strategy),
            TASKS,
            CANDIDATES,
            budgets_snt=(2.0, 4.0),
            confirmation_seeds=(7, 8),
            constraints=constraints,
            compared_with=compared_with,
        )
    )
    alone = {Network.of(task).key for task in constraints.ceilings_alone}
    trained = search.scores().networks
    assert {n for n in trained if not constraints.allows(n) and n.key not in alone} == set()
    confirmed = {n.key for n in search.scores(purpose=Purpose.CONFIRMATION).networks}
    chosen = set()
    for found in search.recommendations():
        assert found.not_held == (), "what is demanded was trained first"
        if found.solution.grouping is None:
            continue
        assert keeps_to(found.solution.grouping, constraints)
        chosen |= {network.key for network in found.solution.grouping.networks}
        assert found.verdict is not None
        assert len(found.verdict.comparisons) == {"both": 2, "none": 0}.get(compared_with.value, 1)
        assert found.verdict.is_confirmed
        assert (found.verdict.alone is None) is (compared_with is not ComparedWith.NONE)
    assert confirmed >= chosen
    if compared_with is ComparedWith.NONE:
        assert confirmed == chosen


@settings(max_examples=examples(50), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_what_no_grouping_may_have_can_be_left_out_of_the_table(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table)).known_in(table)
    assume(all(constraints.allows(network) for network in constraints.forced))  # a search refuses the others
    kept = [n for n, network in enumerate(table.networks) if constraints.allows(network)]
    alone = [n for n, network in enumerate(table.networks) if len(network.group) == 1 and network.size == 1]
    rest = table.select(sorted({*kept, *alone}))
    solver = BudgetSolver(constraints)
    ((whole,), (part,)) = solver(table, (budget,)), solver(rest, (budget,))
    assert (whole.grouping is None) is (part.grouping is None)
    if whole.loss is not None:
        assert part.loss == pytest.approx(whole.loss, rel=1e-9)


@settings(max_examples=examples(50), deadline=None)
@given(st.data(), tables(), BUDGETS)
def test_demands_hold_once_a_table_has_what_they_take(
    data: st.DataObject, table: ScoreTable, budget: float
) -> None:
    constraints = data.draw(demands(table))
    rows = data.draw(st.lists(st.integers(0, len(table.networks) - 1), min_size=1, unique=True))
    known = table.select(sorted(rows))
    held, open_ = constraints.known_in(known), constraints.unknown_in(known)
    held.check(known)
    listed = {*held.sentences(), *open_.sentences()}
    gone = {f"network {network} is not chosen" for network in constraints.forbidden}
    assert set(constraints.sentences()) - gone <= listed <= set(constraints.sentences())
    assert constraints.known_in(table) == constraints or constraints.unknown_in(table) != Constraints()
    (found,) = recommend(known, None, (budget,), constraints=constraints)
    assert found.held == tuple(held.sentences())
    direct = solve(known, budget, constraints=held)
    assert (found.solution.status, found.solution.loss) == (direct.status, direct.loss)


@given(st.data(), searchable(), st.frozensets(st.sampled_from(NAMES), min_size=1))
def test_demands_among_fewer_tasks_name_no_other(
    data: st.DataObject, constraints: Constraints, tasks: frozenset[str]
) -> None:
    left = constraints.among(tasks)
    names = [*left.together, *left.apart, *(network.group for network in (*left.forced, *left.forbidden))]
    assert all(group <= tasks for group in names)
    assert set(left.ceilings_alone) <= tasks
    assert left.among(tasks) == left
    assert constraints.among(NAMES) == constraints


@given(RESOURCES, RESOURCES, st.floats(0, 8), st.sampled_from([0.0, 0.5, 2.0]))
def test_what_a_job_states_of_a_size_goes_over_what_it_states_and_that_over_the_trainer(
    common: StatedResources, of_half: StatedResources, cpus: float, gpus: float
) -> None:
    said = Resources(cpus, gpus, 3.0, {"a100": 1.0})
    terms = TrainingTerms(resources=common, resources_of={"half": of_half}, size_names={0.5: "half"})
    full = terms.resources_for(Network.of("a")).over(said)
    half = terms.resources_for(Network.of("a", size=0.5)).over(said)
    for name in ("cpus", "gpus", "memory_gib", "custom"):
        stated, own = getattr(common, name), getattr(of_half, name)
        assert getattr(full, name) == (getattr(said, name) if stated is None else stated)
        assert getattr(half, name) == (getattr(full, name) if own is None else own)
    both = Resources.of_all([full, half])
    assert (both.cpus, both.gpus) == (max(full.cpus, half.cpus), max(full.gpus, half.gpus))


@given(st.integers(1, 10_000), st.floats(0.01, 1.0))
def test_a_short_training_has_its_share_of_the_epochs(epochs: int, fidelity: float) -> None:
    terms = TrainingTerms(epochs)
    short, whole = terms.epochs_at(fidelity), terms.epochs_at(1.0)
    assert short is not None
    assert whole == epochs
    assert 1 <= short <= epochs
    assert abs(short - epochs * fidelity) <= 1
    assert TrainingTerms().epochs_at(fidelity) is None
