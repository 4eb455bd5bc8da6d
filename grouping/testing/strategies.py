"""Test contract of strategies: inherit `StrategyContract`, and name the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from grouping.domain.networks import Candidates, list_candidates
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialRequest
from grouping.search import Search
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, Strategy, plans_ahead

MOST_BATCHES = 500
MOST_TRAININGS = 1_000


class StrategyContract:
    """Tests of one strategy, on random score tables.

    Attributes:
        strategy: the dataclass of the strategy.
        parameters: parameters of the strategy.
        budgets_snt: inference budgets of the search.
        measures_affinity: whether it needs affinities that a joint run measures, which a table does not have.
    """

    strategy: ClassVar[type[Strategy]]
    parameters: ClassVar[Mapping[str, Any]] = {}
    budgets_snt: ClassVar[tuple[float, ...]] = (1.0, 2.0)
    measures_affinity: ClassVar[bool] = False

    def new_strategy(self) -> Strategy:
        """Build the strategy under test."""
        return self.strategy(**self.parameters)

    def table(self, seed: int) -> ScoreTable:
        """Return random losses of every candidate of four tasks over two seeds."""
        generator = np.random.default_rng(seed)
        tasks = [Task.regression(name) for name in ("a", "b", "c", "d")]
        networks = list_candidates([task.name for task in tasks], max_group_size=4, single_sizes=(0.5,))
        scores = [
            Score(network, task, layer, float(generator.uniform(0.3, 0.7)))
            for network in networks
            for task in sorted(network.group)
            for layer in (0, 1)
        ]
        return ScoreTable.from_scores(tasks, networks, scores)

    def test_it_has_a_name_for_jobs_and_one_for_people(self) -> None:
        assert self.strategy.name == self.strategy.name.strip().lower() != ""
        assert self.strategy.title
        assert self.strategy.description.endswith(".")

    def test_the_same_evidence_gives_the_same_wishes(self) -> None:
        for evidence in self.evidences():
            first, again = (self.new_strategy().ask(evidence, solve_budgets) for _ in range(2))
            assert first == again

    def test_it_asks_for_candidates_only_and_for_nothing_twice(self) -> None:
        table = self.table(1)
        candidates = {network.key for network in table.networks}
        asked = self.run(table)
        assert {request.network.key for request in asked} <= candidates
        assert len({request.key for request in asked}) == len(asked)
        assert {request.seed for request in asked} <= {0, 1}
        assert {request.fidelity for request in asked} <= {1.0, EARLY_FIDELITY}

    def test_one_that_plans_ahead_asks_for_nothing_that_is_running_or_was_attempted(self) -> None:
        if not plans_ahead(self.new_strategy()):
            return  # it is never asked while anything is running
        for evidence in self.evidences():
            wanted = self.new_strategy().ask(evidence, solve_budgets).requests
            for running in (wanted[:1], wanted[len(wanted) // 2 :], wanted):
                keys = frozenset(request.key for request in running)
                ahead = replace(evidence, running=keys, n_free=3)
                further = self.new_strategy().ask(ahead, solve_budgets).requests
                assert keys.isdisjoint(request.key for request in further)
                assert evidence.attempted.isdisjoint(request.key for request in further)
                assert len({request.key for request in further}) == len(further)

    def test_a_search_planned_continuously_ends_with_as_little_asked_twice(self) -> None:
        table = self.table(5)
        search = self.search(table, planning="continuous")
        told: list[TrialRequest] = []
        running: list[TrialRequest] = []
        while found := search.ask(1) or running[:1]:
            if found[0] in running:
                running.remove(found[0])
                search.tell(found[0], _losses(found[0], table))
                told += found
            else:
                running += found
                assert len(told) + len(running) <= MOST_TRAININGS, "The search does not end."
        assert search.stop_reason is not None
        assert len({request.key for request in told}) == len(told)

    def test_a_search_ends_and_says_why(self) -> None:
        search = self.search(self.table(2))
        self.carry_out(search, self.table(2))
        assert search.stop_reason is not None

    def test_a_search_that_was_interrupted_trains_what_an_undisturbed_one_does(self) -> None:
        table = self.table(3)
        whole, parted = self.run(table), self.run(table, stops_inside=True)
        assert {request.key for request in whole} == {request.key for request in parted}

    def test_an_estimate_has_a_loss_for_each_task_of_a_group_and_for_no_other(self) -> None:
        for evidence in self.evidences():
            found = self.new_strategy().estimate(evidence)
            shape = (len(found.table.networks), len(found.table.tasks))
            assert found.standard_deviations.shape == shape
            assert found.is_measured.shape == shape[:1]
            assert (found.table.is_complete | ~found.is_measured).all()
            for n in np.flatnonzero(found.is_measured):
                assert evidence.full.find_position(*found.table.networks[n].key) is not None

    # --- what the tests have in common

    def search(self, table: ScoreTable, planning: str = "steps") -> Search:
        """Return a search on a table, which has been told nothing yet."""
        space = Candidates.listed(table.task_names, table.networks)
        return Search(
            self.new_strategy(),
            table.tasks,
            space,
            budgets_snt=self.budgets_snt,
            seeds=table.seeds,
            planning=planning,
        )

    def run(self, table: ScoreTable, *, stops_inside: bool = False) -> list[TrialRequest]:
        """Carry out a search, replacing it within each batch if asked; return all it asked for."""
        return self.carry_out(self.search(table), table, stops_inside=stops_inside)

    def carry_out(
        self, search: Search, table: ScoreTable, *, stops_inside: bool = False
    ) -> list[TrialRequest]:
        """Tell a search what it asks for until it ends."""
        told: list[TrialRequest] = []
        for _ in range(MOST_BATCHES):
            requests = search.ask()
            if not requests:
                return told
            half = requests[: max(1, len(requests) // 2)] if stops_inside else requests
            for request in half:
                search.tell(request, _losses(request, table))
            told += half
            if stops_inside:
                search = _begun_again(self.search(table), told, table)
        raise AssertionError(f"The search does not end within {MOST_BATCHES} steps.")

    def evidences(self) -> list[Evidence]:
        """Return states of a search: nothing told, a part told, everything told."""
        table = self.table(4)
        search = self.search(table)
        found = [search.evidence]
        first = search.ask()
        for n, request in enumerate(first):
            search.tell(request, _losses(request, table))
            if n == len(first) // 2:
                found.append(replace(search.evidence, running=frozenset()))  # as after a crash
        if not self.measures_affinity:
            self.carry_out(search, table)
            found.append(search.evidence)
        return found


def _begun_again(new: Search, told: list[TrialRequest], table: ScoreTable) -> Search:
    """Return a new search that is told what an earlier one was told."""
    for request in told:
        new.tell(request, _losses(request, table))
    return new


def _losses(request: TrialRequest, table: ScoreTable) -> dict[str, float]:
    row, layer = table.position(request.network), table.seeds.index(request.seed)
    losses = table.validation_losses[row, :, layer]
    names = table.task_names
    return {task: float(losses[t]) for t, task in enumerate(names) if task in request.network.group}
