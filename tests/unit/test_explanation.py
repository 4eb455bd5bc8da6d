"""Explanations: what is said of each task, and where it comes from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.domain.constraints import Constraints
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.solver import explain, solve
from tests.tables import make_table, random_table

NAN = np.nan


def small_table() -> ScoreTable:
    """Task a gains from b; b and c are best off alone; all three in one is cheap and poor."""
    tasks = (Task("a"), Task("b"), Task("c"))
    rows = {
        ("a",): (0.50, NAN, NAN),
        ("b",): (NAN, 0.40, NAN),
        ("c",): (NAN, NAN, 0.30),
        ("a", "b"): (0.40, 0.44, NAN),
        ("a", "c"): (0.55, NAN, 0.36),
        ("b", "c"): (NAN, 0.50, 0.33),
        ("a", "b", "c"): (0.45, 0.48, 0.42),
    }
    return make_table(tuple(Network.of(*group) for group in rows), tasks, np.array(list(rows.values())))


def test_a_task_is_explained_by_the_networks_that_could_serve_it() -> None:
    table = small_table()
    solution = solve(table, 2.0)  # a+b serves a and b, c has its own
    explained = explain(table, solution)
    a, b, c = explained.tasks
    assert (a.server, b.server, c.server) == (Network.of("a", "b"), Network.of("a", "b"), Network.of("c"))
    assert (a.loss, a.alone, a.loss_alone) == (0.40, Network.of("a"), 0.50)
    assert a.gain == pytest.approx(0.2)
    assert b.gain == pytest.approx(-0.1)
    assert a.runner_up is not None
    assert a.runner_up.network == Network.of("a", "b", "c")
    assert a.runner_up.difference == pytest.approx(0.05)
    assert a.runner_up_chosen is None
    assert b.runner_up is not None
    assert b.runner_up.network == Network.of("b")
    assert b.runner_up.difference == pytest.approx(-0.04)


def test_a_partner_helps_or_harms_by_networks_that_differ_by_it_alone() -> None:
    table = small_table()
    a, b, _ = explain(table, solve(table, 2.0)).tasks
    (effect,) = a.partners
    assert effect.partner == "b"
    assert effect.n_pairs == 2  # a against a+b, a+c against a+b+c
    assert effect.gain == pytest.approx((0.10 / 0.50 + 0.10 / 0.55) / 2)
    assert effect.gain_here == pytest.approx(0.2)
    assert b.partners[0].gain == pytest.approx((-0.04 / 0.40 + 0.02 / 0.50) / 2)


def test_a_partner_whose_effect_is_not_measured_is_said_to_be_so() -> None:
    table = small_table()
    table = table.select([table.position(Network.of(*name)) for name in ("ab", "c")])
    explained = explain(table, solve(table, 2.0))
    effect = explained.tasks[0].partners[0]
    assert (effect.gain, effect.n_pairs, effect.gain_here) == (None, 0, None)
    said = list(explained.task_sentences("a"))
    assert any(sentence.startswith("What b does to a is not measured") for sentence in said)
    assert "no network of a alone was measured, of any size" in said[0]


def with_singles(*sizes: float) -> ScoreTable:
    """All three tasks in one network, and task a alone at these sizes, the worse the smaller."""
    tasks = (Task("a"), Task("b"), Task("c"))
    rows = [(0.45, 0.48, 0.42)] + [(0.5 / size, NAN, NAN) for size in sizes]
    networks = (Network.of("a", "b", "c"), *(Network.of("a", size=size) for size in sizes))
    return make_table(networks, tasks, np.array(rows))


@pytest.mark.parametrize(
    ("sizes", "size"), [((0.25, 0.5), 0.5), ((0.5, 1.0, 2.0), 1.0), ((0.5, 1.5), 1.5), ((0.25, 2.0), 0.25)]
)
def test_a_task_is_compared_with_its_own_network_of_full_size_or_the_nearest(
    sizes: tuple[float, ...], size: float
) -> None:
    table = with_singles(*sizes)
    solution = solve(table, 1.0, constraints=Constraints(forced=(Network.of("a", "b", "c"),), max_networks=1))
    a, b, _ = explain(table, solution).tasks
    assert (a.alone, a.loss_alone) == (Network.of("a", size=size), 0.5 / size)
    assert a.gain == pytest.approx(1 - 0.45 * size / 0.5)
    said = next(explain(table, solution).task_sentences("a"))
    assert f"in its own network of size {size:g}, {0.5 / size:.4g}" in said
    assert b.alone is None
    assert "no network of b alone was measured" in next(explain(table, solution).task_sentences("b"))


def test_a_smaller_network_of_its_own_is_compared_with_the_full_one() -> None:
    table = small_table()
    half = make_table((Network.of("c", size=0.5),), table.tasks, np.array([[NAN, NAN, 0.33]]))
    both = make_table(
        (*table.networks, *half.networks), table.tasks, np.vstack([table.validation, half.validation])
    )
    wanted = Constraints(forced=(Network.of("c", size=0.5),), forbidden=(Network.of("c"),))
    said = next(explain(both, solve(both, 1.5, constraints=wanted), constraints=wanted).task_sentences("c"))
    assert "a network of its own, of size 0.5, 10.0 % worse than in its own network of size 1, 0.3" in said


def test_what_half_a_unit_and_a_network_of_its_own_would_change() -> None:
    table = small_table()
    tasks = tuple(Task(name) for name in "abc")
    halves = tuple(Network.of(name, size=0.5) for name in "abc")
    losses = np.full((3, 3), NAN)
    np.fill_diagonal(losses, [0.65, 0.41, 0.43])
    both = make_table((*table.networks, *halves), tasks, np.vstack([table.validation, losses]))
    explained = explain(both, solve(both, 2.0))
    more, less = explained.half_more, explained.half_less
    assert more is not None
    assert more.difference == pytest.approx(-0.03)  # b moves to a network of its own
    assert more.added == (Network.of("b", size=0.5),)
    assert more.removed == ()
    assert less is not None
    assert less.difference == pytest.approx(0.13)
    assert less.added == (Network.of("c", size=0.5),)
    assert less.removed == (Network.of("c"),)
    own = explained.tasks[0].own_network
    assert own is not None
    assert own.network == Network.of("a")
    assert own.difference == pytest.approx(0.50 + 0.50 + 0.33 - (0.40 + 0.44 + 0.30))


def test_a_network_of_its_own_that_does_not_fit_is_said_not_to() -> None:
    table = small_table()
    explained = explain(table, solve(table, 1.0))
    assert explained.half_less is not None
    assert explained.half_less.difference is None
    own = explained.tasks[0].own_network
    assert own is not None
    assert own.difference is None
    assert any("cannot have a network of its own" in sentence for sentence in explained.task_sentences("a"))


def test_binding_demands_are_named_with_what_they_cost_and_others_are_not() -> None:
    table = small_table()
    demands = Constraints(max_networks=1, max_group_size=3, forced=(Network.of("a", "b", "c"),))
    explained = explain(table, solve(table, 3.0, constraints=demands), constraints=demands)
    assert [one.demand for one in explained.binding] == ["at most 1 networks"]
    assert explained.binding[0].improvement == pytest.approx(0.05 + 0.12 - 0.0 + 0.48 - 0.44)


def test_an_idle_network_is_named() -> None:
    table = small_table()
    demands = Constraints(forced=(Network.of("b", "c"),))
    explained = explain(table, solve(table, 4.5, constraints=demands), constraints=demands)
    assert explained.idle == (Network.of("b", "c"),)
    assert any("b+c serves no task" in sentence for sentence in explained.sentences())


def test_without_an_answer_the_reason_is_told() -> None:
    table = small_table()
    demands = Constraints(max_networks=2, max_group_size=1)
    explained = explain(table, solve(table, 3.0, constraints=demands), constraints=demands)
    assert explained.tasks == ()
    said = " ".join(explained.sentences())
    assert "No grouping exists" in said
    assert "at most 2 networks" in said


def test_what_there_is_no_time_for_is_named() -> None:
    table = small_table()
    explained = explain(table, solve(table, 2.0), time_limit_s=0.0)
    assert explained.half_more is None
    assert explained.tasks[0].own_network is None
    assert len(explained.skipped) == 5  # two budgets, a, b, and the budget's price; c has its own network
    assert any("There was no time" in sentence for sentence in explained.sentences())


def test_ties_and_a_missing_proof_are_told() -> None:
    table = small_table()
    solution = solve(table, 2.0)
    tied = replace(solution, ties=(solution.require_grouping(),))
    assert "1 other choice has the same loss." in list(explain(table, tied).sentences())
    unproven = replace(solution, status=type(solution.status)("feasible"), bound=1.0)
    first = next(explain(table, unproven).sentences())
    assert "1 or more" in first
    assert "12.28 %" in first


def test_the_sentences_name_every_task_and_network_and_are_the_same_each_time() -> None:
    table = random_table(3, 4)
    solution = solve(table, 2.5)
    explained = explain(table, solution)
    said = list(explained.sentences())
    assert said == list(explain(table, solution).sentences())
    for task in table.task_names:
        server = solution.require_grouping().network_for(task)
        own = list(explained.task_sentences(task))
        assert own[0].startswith(f"{task} is served by {server.name(table.task_names)} with")
        assert set(own) <= set(said)
    assert not list(explained.task_sentences("nobody"))


def test_a_solution_of_another_table_is_refused() -> None:
    table = small_table()
    solution = solve(table, 2.0)
    with pytest.raises(InvalidInputError, match="not in the score table"):
        explain(table.select([6, 2]), solution)
