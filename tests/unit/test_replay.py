"""Replay: a table answers instead of training; charges, regret and what cannot be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialRequest
from grouping.errors import InvalidInputError
from grouping.replay.oracle import Oracle, RevealedLosses, free_networks, share_charged
from grouping.replay.replaying import Mode, Replay, Setup, default_checkpoints, replay
from grouping.replay.searching import run_search
from grouping.replay.summary import charge_within, mean_gain, regret_curve
from grouping.solver import solve
from grouping.strategies import Choose, Evidence, LossEstimate, Proposal, Strategy, get_strategy
from tests.tables import brute_force, make_table, random_table

BUDGETS = (1.0, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Scripted:
    """Trains these networks, one at a time; the stand-in of a strategy that a test needs."""

    networks: tuple[Network, ...]

    name: ClassVar[str] = "scripted"
    title: ClassVar[str] = "Scripted"
    description: ClassVar[str] = "Trains a list."
    lists_candidates: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        return Proposal.of(evidence.request(self.networks)[:1])

    def estimate(self, evidence: Evidence) -> LossEstimate:
        return LossEstimate.of_measured(evidence.full)


@dataclass(frozen=True, slots=True)
class Shuffled(Scripted):
    """Trains everything in an order that depends on the seed, and notes what it is told to have left."""

    networks: tuple[Network, ...] = ()
    left: ClassVar[list[int | None]] = []

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        self.left.append(evidence.remaining)
        assert np.isnan(evidence.full.test_losses).all(), "a strategy was told test losses"
        listed = evidence.candidates.require_listed()
        order = np.random.default_rng(evidence.seed).permutation(len(listed))
        return Proposal.of(evidence.request(listed[n] for n in order)[:1])


def one(table: ScoreTable, strategy: Strategy, setup: Setup, **more: object) -> Replay:
    (found,) = replay(table, [strategy], setup, **more)  # type: ignore[arg-type]
    return found


def test_a_training_is_charged_its_size_and_a_short_pass_a_twentieth_of_it() -> None:
    networks = (Network.of("a", "b"), Network.of("a", size=0.5, cost_snt=0.48))
    requests = [TrialRequest(n, 0, fidelity) for fidelity in (1.0, EARLY_FIDELITY) for n in networks]
    assert [request.network.size * share_charged(request.fidelity) for request in requests] == pytest.approx(
        [1.0, 0.5, 0.05, 0.025]
    )


def test_regret_at_every_charge_is_that_of_the_best_grouping_of_what_was_trained() -> None:
    table = random_table(3, n_tasks=3)
    order = (9, 0, 3, 5, 8, 7, 1)
    scripted = Scripted(tuple(table.networks[n] for n in order))
    found = one(table, scripted, Setup(BUDGETS, Mode.ALL))
    spent = np.cumsum([table.networks[n].size for n in order])
    for c, charge in enumerate(found.charges):
        part = table.select([n for n, end in zip(order, spent, strict=True) if end <= charge])
        for b, budget in enumerate(BUDGETS):
            best = brute_force(part, budget) if len(part.networks) else None
            least = brute_force(table, budget)
            assert least is not None
            if best is None:
                assert np.isnan(found.validation_regret[0, b, c])
            else:
                assert found.validation_regret[0, b, c] == pytest.approx((best - least) / least)
    assert found.total_charges[0].tolist() == [spent[-1]] * len(BUDGETS)


def test_test_losses_judge_the_choice_made_on_validation_losses() -> None:
    tasks = (Task("a"),)
    networks = (Network.of("a"), Network.of("a", size=0.5))
    validation = np.array([[[1.0]], [[2.0]]])
    test = np.array([[[4.0]], [[3.0]]])  # the network chosen is the worse one here
    table = ScoreTable.from_arrays(tasks, networks, (0,), validation, test)
    found = one(table, Scripted(networks[1:] + networks[:1]), Setup((1.0,), checkpoints=(0.0, 0.5, 1.5)))
    assert np.isnan(found.validation_regret[0, 0, 0])
    assert found.validation_regret[0, 0, 1:].tolist() == [1.0, 0.0]
    assert found.test_regret[0, 0, 1:].tolist() == [-0.25, 0.0]


def test_all_at_once_one_search_serves_every_budget_and_each_has_its_own_otherwise() -> None:
    table = random_table(5, n_tasks=4)
    hoa = get_strategy("hoa")
    each, together = (one(table, hoa, Setup(BUDGETS, mode)) for mode in (Mode.EACH, Mode.ALL))
    assert len(set(together.total_charges[0])) == 1
    assert each.total_charges.max() <= together.total_charges.max()
    oracle = Oracle.of(table)
    for b, budget in enumerate(BUDGETS):
        alone = run_search(oracle, hoa, [budget])
        assert each.total_charges[0, b] == alone.total_charge


def test_no_mean_is_given_while_a_budget_has_no_recommendation() -> None:
    table = random_table(5, n_tasks=3)
    singles = tuple(n for n in table.networks if len(n.group) == 1 and n.size == 1)
    everything = Network.of(*table.task_names)
    scripted = Scripted((*singles, everything))
    found = one(table, scripted, Setup((1.0, 3.0), Mode.ALL, checkpoints=(2.0, 3.0, 4.0)))
    curve = regret_curve(found)
    assert curve.share.tolist() == [0.0, 0.5, 1.0]
    assert np.isnan(curve.mean).tolist() == [True, True, False]


def test_a_random_strategy_runs_with_every_seed_and_another_one_once() -> None:
    table = random_table(7, n_tasks=3)
    shuffled = one(table, Shuffled(), Setup(BUDGETS, Mode.ALL, n_seeds=4))
    assert shuffled.is_random
    assert shuffled.validation_losses.shape == (4, 3, len(shuffled.charges))
    assert (regret_curve(shuffled).low <= regret_curve(shuffled).high + 1e-15)[-1]
    fixed = one(table, get_strategy("exhaustive"), Setup(BUDGETS, Mode.ALL, n_seeds=4))
    assert not fixed.is_random
    assert len(fixed.validation_losses) == 1


def test_the_same_seeds_give_the_same_figures_with_two_processes() -> None:
    table = random_table(8, n_tasks=3)
    setup = Setup(BUDGETS, Mode.EACH, n_seeds=3)
    here, there = (one(table, get_strategy("hoa"), setup, processes=processes) for processes in (1, 2))
    assert np.array_equal(here.validation_losses, there.validation_losses, equal_nan=True)
    assert np.array_equal(here.test_losses, there.test_losses, equal_nan=True)


def test_networks_given_for_nothing_are_known_at_charge_zero_and_never_paid() -> None:
    table = random_table(9, n_tasks=3)
    found = one(table, get_strategy("exhaustive"), Setup(BUDGETS, Mode.ALL, free=("singles", "together")))
    assert not np.isnan(found.validation_losses[0, :, 0]).any()
    paid = sum(n.size for n in table.networks) - 3 - 1
    assert found.total_charges[0, 0] == paid
    known = free_networks(("singles", "task 0+task 1", "task 1@0.5"), table)
    assert sorted(map(str, known)) == sorted(["task 0", "task 1", "task 2", "task 0+task 1", "task 1@0.5"])
    with pytest.raises(InvalidInputError, match="free can be singles, pairs, together"):
        free_networks(("task 9",), table)


def test_a_search_stops_before_the_charge_it_may_spend_is_exceeded() -> None:
    table = random_table(10, n_tasks=3)
    Shuffled.left.clear()
    found = one(table, Shuffled(), Setup(BUDGETS, Mode.ALL, max_charge=4.0))
    assert found.total_charges.max() <= 4.0
    assert found.reasons == ("charge_spent",)
    assert found.charges[-1] == 4.0
    assert Shuffled.left[0] == 4
    assert None not in Shuffled.left
    assert all(later <= earlier for earlier, later in pairwise(Shuffled.left))  # type: ignore[operator]


def test_the_short_pass_needs_its_table_and_is_charged_a_twentieth() -> None:
    table, early = random_table(11, n_tasks=3), random_table(12, n_tasks=3)
    esa = get_strategy("esa")
    without = one(table, esa, Setup(BUDGETS))
    assert without.unanswerable is not None
    assert "short passes" in without.unanswerable
    found = one(table, esa, Setup((2.0,)), early=early)
    passes = 0.05 * sum(network.size for network in table.networks)
    chosen = run_search(Oracle.of(table, early), esa, [2.0])
    full = sum(table.networks[row].size for row in chosen.rows)
    assert found.total_charges[0, 0] == pytest.approx(passes + full)
    assert found.n_trainings[0, 0] == len(table.networks) + len(chosen.rows)
    dearer = one(table, esa, Setup((2.0,), early_charge=0.2), early=early)
    assert dearer.total_charges[0, 0] == pytest.approx(4 * passes + full)


@pytest.mark.parametrize("free", [(), ("singles", "together")])
@pytest.mark.parametrize("name", ["tag", "cosine", "first-order"])
def test_strategies_of_a_joint_run_are_reported_and_not_replayed(name: str, free: tuple[str, ...]) -> None:
    found = one(random_table(13, n_tasks=3), get_strategy(name), Setup(BUDGETS, free=free))
    assert found.unanswerable is not None
    assert "joint run" in found.unanswerable
    assert np.isnan(regret_curve(found).mean).all()


def test_a_network_that_the_table_lacks_is_reported() -> None:
    table = random_table(14, n_tasks=3)
    part = table.select([n for n, network in enumerate(table.networks) if len(network.group) != 2])
    found = one(part, Scripted((Network.of("task 0", "task 2"),)), Setup(BUDGETS))
    assert found.unanswerable == "it asked for task 0+task 2, which the table does not have"


def test_a_table_of_several_seeds_answers_with_one_of_them_and_judges_by_the_mean() -> None:
    table = random_table(15, n_tasks=3, n_seeds=4)
    setup = Setup(BUDGETS, Mode.ALL, n_seeds=4, answers=RevealedLosses.ONE_SEED)
    found = one(table, get_strategy("exhaustive"), setup)
    assert len(found.validation_losses) == 4
    for seed in range(4):
        seen = ScoreTable.from_arrays(
            table.tasks, table.networks, (0,), *2 * (table.validation_losses[:, :, [seed]],)
        )
        chosen = [solve(seen, budget).require_grouping() for budget in BUDGETS]
        judged = [grouping.total_loss(table, table.cell_losses) for grouping in chosen]
        assert found.validation_losses[seed, :, -1] == pytest.approx(judged)
    assert found.validation_regret[:, :, -1].max() > 0, "one seed is as good as the mean of all"
    exact = one(table, get_strategy("exhaustive"), Setup(BUDGETS, Mode.ALL))
    assert exact.validation_regret[:, :, -1].max() == pytest.approx(0.0, abs=1e-12)


def test_incomplete_networks_are_no_candidates() -> None:
    table = random_table(16, n_tasks=3)
    losses = table.validation_losses.copy()
    row = table.position(Network.of("task 0", "task 1"))
    losses[row, 0, 0] = np.nan
    broken = ScoreTable.from_arrays(table.tasks, table.networks, table.seeds, losses, table.test_losses)
    assert len(Oracle.of(broken).truth.networks) == len(table.networks) - 1


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (Setup((0.5,)), "No grouping of this table fits an inference budget of 0.5"),
        (Setup(BUDGETS, free=("task 7",)), "The table has no task 7"),
    ],
)
def test_what_does_not_fit_the_table_is_said(setup: Setup, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replay(random_table(17, n_tasks=3), [get_strategy("hoa")], setup)


def test_gains_read_as_losses_are_refused_with_a_hint() -> None:
    table = random_table(18, n_tasks=3)
    member = np.where(table.membership[:, :, None], -1.0, np.nan)
    gains = ScoreTable.from_arrays(table.tasks, table.networks, table.seeds, member, member)
    with pytest.raises(InvalidInputError, match="gains"):
        replay(gains, [get_strategy("hoa")], Setup(BUDGETS))


def test_a_short_pass_of_other_tasks_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="other tasks"):
        Oracle.of(random_table(19, n_tasks=3), random_table(19, n_tasks=4))


def test_the_charge_within_a_regret_is_where_the_mean_stays_below_it() -> None:
    tasks = (Task("a"),)
    networks = tuple(Network.of("a", size=size) for size in (0.25, 0.5, 1.0))
    table = make_table(networks, tasks, np.array([[1.5], [1.005], [1.0]]))
    found = one(table, Scripted(networks), Setup((1.0,), checkpoints=(0.0, 0.25, 0.75, 1.75)))
    assert charge_within(found, 0.01) == 0.75
    assert charge_within(found, 0.002) == 1.75
    assert charge_within(found, -1.0) is None
    assert mean_gain(found, 2.0, is_test=False).tolist() == [0.5]


def test_checkpoints_reach_from_nothing_to_everything() -> None:
    charges = default_checkpoints(333.5)
    assert (charges[0], charges[-1]) == (0.0, 333.5)
    assert all(b > a for a, b in pairwise(charges))
    assert default_checkpoints(1.2) == (0.0, 0.5, 1.0, 1.2)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Setup(n_seeds=0),
        lambda: Setup(max_charge=0.0),
        lambda: Setup(early_charge=0.0),
        lambda: Setup(checkpoints=(-1.0,)),
        lambda: Setup(budgets_snt=(0.0,)),
    ],
)
def test_a_setup_without_sense_is_refused(made: object) -> None:
    with pytest.raises(InvalidInputError):
        made()  # type: ignore[operator]
