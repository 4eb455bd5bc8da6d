"""Ask and tell: a grouping search in your own process, with your own trainer and without a server.

    candidates = Candidates.of(names, single_sizes=(0.5,))
    search = Search(get_strategy("hoa"), tasks, candidates, budgets_snt=(1, 2, 3))
    while requests := search.ask():
        for request in requests:
            search.tell(request, validation=train(request.network, request.seed))
    print(search.recommend(2.0))

With a `grouping.trainers.Trainer` it is one call:

    search.run(MyTrainer(TrainerJob("mine", names, search.terms)))

The search holds what it was told and nothing else; what to train follows from it by the same `Planner` as in
the service, training budget, confirmation and verdict included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grouping.domain.affinity import AffinityMatrix
from grouping.domain.allowance import Allowance, Prices
from grouping.domain.groupings import Solution
from grouping.domain.jobs import StopReason
from grouping.domain.joint_affinity import joint_affinities
from grouping.domain.joint_runs import JointRun
from grouping.domain.networks import Candidates
from grouping.domain.reported import with_losses
from grouping.domain.scores import ScoreTable
from grouping.domain.search_state import SearchState, SearchTerms
from grouping.domain.tasks import Task
from grouping.domain.trials import (
    Purpose,
    TaskScore,
    Trial,
    TrialKey,
    TrialOrigin,
    TrialOutcome,
    TrialRequest,
    TrialState,
)
from grouping.errors import InvalidInputError
from grouping.search.in_process import InProcessTrainings
from grouping.search.loop import advance
from grouping.search.planning import Planner
from grouping.solver import Recommendation, recommend, solve
from grouping.strategies import Evidence, LossEstimate, Strategy
from grouping.trainers import Trainer


class Search:
    """One grouping search. Not thread-safe.

    Args:
        strategy: decides what to train; see `get_strategy`.
        tasks: the tasks, in display order, with their weights.
        candidates: the networks that may be chosen, at their inference costs.
        budgets_snt: inference budgets to find a grouping for.
        seeds: seeds with which each network is trained.
        confirmation_seeds: fresh seeds with which the chosen networks and the baselines of equal cost are
            trained in the end; none of `seeds`. Without any there is no verdict.
        max_trainings: the training budget in trainings of any size; None for no limit. A part of it is kept
            back for the confirmation; what does not fit is not asked for, and the search ends.
        max_equivalents: the training budget in full-network equivalents: a training counts as its size times
            its fidelity; None for no limit.
        share_of: from a fidelity to the share of a full training that is charged in equivalents.
        seed: everything random follows from it.

    Raises:
        InvalidInputError: if a seed is to search and to confirm.
    """

    def __init__(
        self,
        strategy: Strategy,
        tasks: Sequence[Task],
        candidates: Candidates,
        *,
        budgets_snt: Sequence[float],
        seeds: Sequence[int] = (0,),
        confirmation_seeds: Sequence[int] = (),
        max_trainings: int | None = None,
        max_equivalents: float | None = None,
        share_of: Callable[[float], float] = float,
        seed: int = 0,
    ) -> None:
        if shared := set(seeds) & set(confirmation_seeds):
            raise InvalidInputError(
                f"Seeds {sorted(shared)} search and confirm: a choice flatters its seeds."
            )
        self._strategy = strategy
        self._terms = SearchTerms(
            candidates,
            tuple(sorted(set(budgets_snt))),
            tuple(seeds),
            tuple(confirmation_seeds),
            Allowance(trainings=max_trainings, equivalents=max_equivalents),
            seed,
        )
        self._prices = Prices(_no_epochs, share_of)
        self._tasks = tuple(tasks)
        self._trials: dict[TrialKey, Trial] = {}
        self._pending: tuple[TrialRequest, ...] = ()
        self._affinities: dict[str, AffinityMatrix] = {}
        self._joint_runs: list[JointRun] = []
        self._stop_reason: StopReason | None = None
        self._note = ""

    @property
    def stop_reason(self) -> StopReason | None:
        """Why `ask` gave nothing the last time; None while the search goes on."""
        return self._stop_reason

    @property
    def note(self) -> str:
        """Note of the strategy about its last step."""
        return self._note

    @property
    def terms(self) -> SearchTerms:
        """Terms of the search: candidates, budgets, seeds."""
        return self._terms

    @property
    def state(self) -> SearchState:
        """Everything that is known."""
        names = [task.name for task in self._tasks]
        affinities = {**joint_affinities(names, self._joint_runs), **self._affinities}
        return SearchState(self._tasks, tuple(self._trials.values()), affinities=affinities)

    @property
    def evidence(self) -> Evidence:
        """Everything the strategy knows."""
        planner = self._planner()
        return planner.evidence(planner.remaining)

    def ask(self) -> tuple[TrialRequest, ...]:
        """Return trials to train next; those not told yet, if any. Empty when the search is over."""
        left = tuple(request for request in self._pending if request.key not in self._trials)
        if left:
            return left
        plan = self._planner().next_plan()
        self._note = plan.note
        self._pending = plan.requests
        self._stop_reason = None if plan.requests else plan.reason
        return self._pending

    def plan(self) -> bool:
        """Plan the next trials, which `ask` gives; return whether there are any."""
        return bool(self.ask())

    def run(self, trainer: Trainer, *, checkpoints: Path | None = None) -> None:
        """Train in this process until the search is over; what was told before stays.

        Args:
            trainer: trains the networks; told `terms`.
            checkpoints: a folder in which it may keep unfinished trainings; None if nothing is to be kept.

        Raises:
            GroupingError: if the trainer cannot prepare the job.
        """
        trainings = InProcessTrainings(self, trainer, checkpoints)
        while advance(self, trainings):
            pass

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Record the outcome of a trainer, with the affinities that it measured; see `tell`."""
        if outcome.state is not TrialState.SUCCEEDED:
            self.tell(request, None)
            return
        outcome = with_losses(outcome, self._tasks)
        validation = {score.task: score.validation_loss for score in outcome.scores}
        tested = {score.task: score.test_loss for score in outcome.scores if score.test_loss is not None}
        self.tell(request, validation, tested)
        if outcome.affinities is not None and request.purpose is Purpose.SEARCH and request.fidelity == 1:
            self._joint_runs.append(JointRun(request.network, request.seed, outcome.affinities))

    def tell(
        self,
        request: TrialRequest,
        validation: Mapping[str, float] | None,
        test: Mapping[str, float] | None = None,
        *,
        is_free: bool = False,
    ) -> None:
        """Record the losses of a training.

        Args:
            request: what was trained; need not have been asked for, such as networks trained before.
            validation: validation loss of each task of the group, lower is better, finite; None if the
                training diverged.
            test: test losses, never read to decide anything.
            is_free: whether it counts in no budget, as what was known before the search.

        Raises:
            InvalidInputError: if it was told before, a task's loss is missing, or one is not finite.
        """
        network = request.network
        if request.key in self._trials:
            raise InvalidInputError(f"The training of {network} with seed {request.seed} was told before.")
        trial = Trial(
            id=str(len(self._trials)),
            position=len(self._trials),
            network=network,
            purpose=request.purpose,
            seed=request.seed,
            fidelity=request.fidelity,
            state=TrialState.DIVERGED,
            measures_affinity=request.measures_affinity,
            reused_from=TrialOrigin("", "") if is_free else None,
        )
        if validation is not None:
            if set(validation) != network.group:
                raise InvalidInputError(f"Give one validation loss for each task of {network}.")
            if not all(math.isfinite(loss) for loss in validation.values()):
                raise InvalidInputError(f"A validation loss of {network} is not finite: tell None instead.")
            tested = test or {}
            scores = tuple(TaskScore(task, loss, tested.get(task)) for task, loss in validation.items())
            trial = replace(trial, state=TrialState.SUCCEEDED, scores=scores)
        self._trials[request.key] = trial

    def tell_affinities(self, affinities: Mapping[str, AffinityMatrix]) -> None:
        """Record affinities measured in joint trainings, by the name of the method."""
        self._affinities |= affinities

    def scores(self, fidelity: float = 1.0, purpose: Purpose = Purpose.SEARCH) -> ScoreTable:
        """Return the scores told at one fidelity; a network of which a training diverged has an empty row."""
        return self.state.scores(purpose=purpose, fidelity=fidelity)

    def estimate(self) -> LossEstimate:
        """Return losses of the candidates, measured or predicted, with their uncertainty."""
        return self._strategy.estimate(self.evidence)

    def recommend(self, budget_snt: float) -> Solution:
        """Find the best grouping of networks that were measured in full."""
        return solve(self.scores(), budget_snt)

    def recommendations(self) -> tuple[Recommendation, ...]:
        """Find the best grouping for each inference budget, with its verdict on fresh seeds if any."""
        confirmation = self.scores(purpose=Purpose.CONFIRMATION) if self._terms.confirmation_seeds else None
        terms = self._terms
        return recommend(self.scores(), confirmation, terms.budgets_snt, built_snt=terms.candidates.built_snt)

    def _planner(self) -> Planner:
        return Planner(self._terms, self.state, self._strategy, self._prices)


def _no_epochs(_n_tasks: int, _fidelity: float) -> int:
    """Return no epochs: the budget of `Search` is in trainings, so lengths are not asked for."""
    return 0
