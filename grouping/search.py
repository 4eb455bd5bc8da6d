"""Ask and tell: a grouping search in your own process, with your own trainer and without a server.

    candidates = Candidates.of(names, single_sizes=(0.5,))
    search = Search(get_strategy("hoa"), tasks, candidates, budgets_snt=(1, 2, 3))
    while requests := search.ask():
        for request in requests:
            search.tell(request, validation=train(request.network, request.seed))
    print(search.recommend(2.0))

The search holds what it was told and nothing else: strategies are pure functions of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from grouping.domain.affinity import AffinityMatrix
from grouping.domain.groupings import Solution
from grouping.domain.jobs import StopReason
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.recipes import EARLY_FIDELITY
from grouping.domain.scores import Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trials import TrialKey, TrialRequest
from grouping.errors import InvalidInputError
from grouping.solver import solve, solve_budgets
from grouping.strategies import Evidence, LossEstimate, Strategy


class Search:
    """One grouping search. Not thread-safe.

    Args:
        strategy: decides what to train; see `get_strategy`.
        tasks: the tasks, in display order, with their weights.
        candidates: the networks that may be chosen.
        budgets_snt: inference budgets to find a grouping for.
        seeds: seeds with which each network is trained.
        max_trainings: the training budget in trainings of any size; None for no limit. Requests beyond it
            are cut off, and the search ends.
        seed: everything random follows from it.
    """

    def __init__(
        self,
        strategy: Strategy,
        tasks: Sequence[Task],
        candidates: Candidates,
        *,
        budgets_snt: Sequence[float],
        seeds: Sequence[int] = (0,),
        max_trainings: int | None = None,
        seed: int = 0,
    ) -> None:
        self._strategy = strategy
        self._tasks = tuple(tasks)
        self._candidates = candidates
        self._budgets = tuple(sorted(set(budgets_snt)))
        self._seeds = tuple(seeds)
        self._max_trainings = max_trainings
        self._seed = seed
        self._networks: dict[float, dict[NetworkKey, Network]] = {}
        self._scores: dict[float, list[Score]] = {}
        self._lost: dict[float, set[NetworkKey]] = {}
        self._told: set[TrialKey] = set()
        self._pending: tuple[TrialRequest, ...] = ()
        self._affinities: dict[str, AffinityMatrix] = {}
        self._stop_reason: StopReason | None = None
        self._note = ""

    @property
    def stop_reason(self) -> StopReason | None:
        """Why `ask` gave nothing the last time; None while the search goes on."""
        return self._stop_reason

    @property
    def note(self) -> str:
        """What the strategy said about its last step."""
        return self._note

    @property
    def evidence(self) -> Evidence:
        """Everything the strategy knows."""
        remaining = None if self._max_trainings is None else max(0, self._max_trainings - len(self._told))
        return Evidence(
            candidates=self._candidates,
            full=self.scores(),
            early=self.scores(EARLY_FIDELITY),
            budgets_snt=self._budgets,
            seeds=self._seeds,
            attempted=frozenset(self._told),
            affinities=dict(self._affinities),
            remaining=remaining,
            seed=self._seed,
        )

    def ask(self) -> tuple[TrialRequest, ...]:
        """Trials to train next; those not told yet, if there are any. Empty when the search is over."""
        left = tuple(request for request in self._pending if request.key not in self._told)
        if left:
            return left
        evidence = self.evidence
        proposal = self._strategy.ask(evidence, solve_budgets)
        self._note = proposal.note
        self._pending = proposal.requests
        if evidence.remaining is not None:
            self._pending = proposal.requests[: evidence.remaining]
        self._stop_reason = proposal.reason
        if proposal.requests and not self._pending:
            self._stop_reason = StopReason.TRAINING_BUDGET_SPENT
        return self._pending

    def tell(
        self,
        request: TrialRequest,
        validation: Mapping[str, float] | None,
        test: Mapping[str, float] | None = None,
    ) -> None:
        """Say what a training came to.

        Args:
            request: what was trained; need not have been asked for, such as networks trained before.
            validation: validation loss of each task of the group, lower is better, finite; None if the
                training diverged.
            test: test losses, never read to decide anything.

        Raises:
            InvalidInputError: if it was told before, a task's loss is missing, or one is not finite.
        """
        network, seed = request.network, request.seed
        if request.key in self._told:
            raise InvalidInputError(f"The training of {network} with seed {seed} was told before.")
        if validation is not None:
            if set(validation) != network.group:
                raise InvalidInputError(f"Give one validation loss for each task of {network}.")
            if not all(math.isfinite(loss) for loss in validation.values()):
                raise InvalidInputError(f"A validation loss of {network} is not finite: tell None instead.")
            found = [
                Score(network, task, seed, loss, None if test is None else test.get(task))
                for task, loss in validation.items()
            ]
            self._scores.setdefault(request.fidelity, []).extend(found)
        else:
            self._lost.setdefault(request.fidelity, set()).add(network.key)
        self._networks.setdefault(request.fidelity, {}).setdefault(network.key, network)
        self._told.add(request.key)

    def tell_affinities(self, affinities: Mapping[str, AffinityMatrix]) -> None:
        """Say what joint runs measured, by the name of the method."""
        self._affinities |= affinities

    def scores(self, fidelity: float = 1.0) -> ScoreTable:
        """What was told at one fidelity; a network of which a training diverged keeps an empty row."""
        networks = self._networks.get(fidelity, {})
        lost = self._lost.get(fidelity, set())
        scores = [score for score in self._scores.get(fidelity, ()) if score.network.key not in lost]
        return ScoreTable.from_scores(self._tasks, networks.values(), scores)

    def estimate(self) -> LossEstimate:
        """Losses of the candidates as far as they are measured or predicted, with their uncertainty."""
        return self._strategy.estimate(self.evidence)

    def recommend(self, budget_snt: float) -> Solution:
        """The best grouping of networks that were measured in full."""
        return solve(self.scores(), budget_snt)
