"""Ask and tell: a grouping search in your own process, with your own trainer and without a server.

    candidates = Candidates.of(names, single_sizes=(0.5,))
    search = Search(get_strategy("hoa"), tasks, candidates, budgets_snt=(1, 2, 3))
    while requests := search.ask():
        for request in requests:
            search.tell(request, validation=train(request.network, request.seed))
    print(search.recommend(2.0))

Several workers share one search when each asks for as much as it can train at once:

    while requests := search.ask(1, waits=True):
        ...

With a `grouping.trainers.Trainer` it is one call:

    search.run(MyTrainer(TrainerJob("mine", names, search.terms)), executor="processes", workers=4)

The search holds what it was told and nothing else; what to train follows from it by the same `Planner` as in
the service, training budget, confirmation and verdict included.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grouping.domain.affinities.joint_matrices import joint_affinities
from grouping.domain.affinities.joint_runs import JointRun
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.constraints import Constraints
from grouping.domain.groupings import Solution
from grouping.domain.jobs.job import StopReason
from grouping.domain.jobs.search_state import SearchState, SearchTerms
from grouping.domain.jobs.specification import Planning
from grouping.domain.networks import Candidates
from grouping.domain.tables.finished_results import FinishedResults, fit_results
from grouping.domain.tables.reported import with_losses
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.allowance import Allowance, Prices
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialRequest, TrialState
from grouping.domain.verdicts.baselines import Baselines, ComparedWith
from grouping.domain.verdicts.headroom import Headroom
from grouping.errors import InvalidInputError
from grouping.search.executors import Executor, executor_of
from grouping.search.loop import Loop
from grouping.search.planning import Planner
from grouping.search.results import groups_not_told
from grouping.search.trainings import ExecutedTrainings
from grouping.search.trial_record import TrialRecord
from grouping.solver import Recommendation, recommend, solve
from grouping.strategies import Evidence, LossEstimate, Strategy
from grouping.trainers import LocalPool, Trainer


class Search:
    """One grouping search. Several threads may use it at the same time.

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
        planning: ``"steps"`` chooses the next networks when everything asked for before was told, so that the
            same search trains the same networks. ``"continuous"`` also chooses while others are in training,
            so that no worker waits; of the strategies that can (`Strategy`).
        seed: everything random follows from it.
        constraints: what each recommended grouping must satisfy beside its budget. What they forbid is not
            trained.
        compared_with: baselines with which verdicts compare, by name: ``"both"``, ``"all-together"``,
            ``"all-alone"``, ``"none"``.

    Raises:
        InvalidInputError: if a seed is to search and to confirm, or there is no such planning or baseline.
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
        planning: Planning | str = Planning.STEPS,
        seed: int = 0,
        constraints: Constraints | None = None,
        compared_with: ComparedWith | str = ComparedWith.BOTH,
    ) -> None:
        if shared := set(seeds) & set(confirmation_seeds):
            raise InvalidInputError(
                f"Seeds {sorted(shared)} search and confirm: a choice flatters its seeds."
            )
        if planning not in list(Planning):
            raise InvalidInputError(f"Planning is one of {', '.join(Planning)}; got {planning!r}.")
        if compared_with not in list(ComparedWith):
            raise InvalidInputError(
                f"A verdict compares with one of {', '.join(ComparedWith)}; got {compared_with!r}."
            )
        if constraints is not None:
            constraints = constraints.of_search(candidates)
            candidates = constraints.narrow(candidates)
        self._strategy = strategy
        self._terms = SearchTerms(
            candidates,
            tuple(sorted(set(budgets_snt))),
            tuple(seeds),
            tuple(confirmation_seeds),
            Allowance(trainings=max_trainings, equivalents=max_equivalents),
            seed,
            planning == Planning.CONTINUOUS,
            constraints or Constraints(),
            Baselines(ComparedWith(compared_with), candidates.built_snt),
        )
        self._prices = Prices(_no_epochs, share_of)
        self._tasks = tuple(tasks)
        self._record = TrialRecord()
        self._affinities: dict[str, AffinityMatrix] = {}
        self._joint_runs: list[JointRun] = []
        self._stop_reason: StopReason | None = None
        self._note = ""
        self._headrooms: list[tuple[Headroom, ...]] = []
        self._has_news = True
        self._changed = threading.Condition()

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the search is over, once `ask` found so; None while it goes on."""
        return self._stop_reason

    @property
    def note(self) -> str:
        """Note of the strategy about its last step."""
        return self._note

    @property
    def headroom(self) -> tuple[Headroom, ...]:
        """How much lower the loss may still get, for each budget, as the strategy last said; may be empty."""
        return self._headrooms[-1] if self._headrooms else ()

    @property
    def headrooms(self) -> tuple[tuple[Headroom, ...], ...]:
        """What the strategy said of it so far, in order."""
        return tuple(self._headrooms)

    @property
    def terms(self) -> SearchTerms:
        """Candidates, budgets and seeds of the search."""
        return self._terms

    @property
    def plans_continuously(self) -> bool:
        """Whether further networks are chosen while others are in training."""
        return self._terms.plans_continuously

    @property
    def state(self) -> SearchState:
        """Everything that is known."""
        names = [task.name for task in self._tasks]
        with self._changed:
            affinities = {**joint_affinities(names, self._joint_runs), **self._affinities}
            return SearchState(self._tasks, self._record.trials, affinities=affinities)

    @property
    def evidence(self) -> Evidence:
        """Everything the strategy knows."""
        planner = self._planner()
        return planner.evidence(planner.remaining)

    # --- what to train

    def ask(self, n: int | None = None, *, waits: bool = False) -> tuple[TrialRequest, ...]:
        """Return trials to train next; plan some if there are none.

        Args:
            n: the most trials, of those that nobody was given; they are given to nobody else until they are
                told or given back. Without it, all that are not told yet, given to others or not: right for
                a single worker.
            waits: whether to wait while there is nothing until others have told more. With it, an empty
                answer means that the search is over; without it, only if `stop_reason` is set.

        Raises:
            InvalidInputError: if `n` is below 1.
        """
        if n is not None and n < 1:
            raise InvalidInputError(f"Ask for at least one training; got {n}.")
        with self._changed:
            while True:
                found = self._ask(n)
                if found or not waits or self._stop_reason is not None:
                    return found
                self._changed.wait()

    def _ask(self, n: int | None) -> tuple[TrialRequest, ...]:
        if n is None:
            if not self._record.open:
                self.plan()
            self._record.hand_out()
            return self._record.open
        if not self._record.has_waiting:
            self.plan(n)
        return self._record.hand_out(n)

    def plan(self, n_free: int = 0) -> bool:
        """Plan further trials, which `hand_out` gives.

        Args:
            n_free: trainings that could begin at once; 0 if that is not known.

        Returns:
            Whether there are any; see ``grouping.search.Plans``.
        """
        with self._changed:
            if not self._has_news:
                return False
            plan = self._planner().next_plan(n_free)
            if not plan.is_waiting:
                self._note = plan.note
            if plan.headroom and plan.headroom != self.headroom:
                self._headrooms.append(plan.headroom)
            self._record.plan(plan.requests)
            self._stop_reason = None if plan.requests else plan.reason
            self._has_news = bool(plan.requests)
            if self._stop_reason is not None:
                self._changed.notify_all()
            return self._has_news

    def hand_out(self) -> tuple[TrialRequest, ...]:
        """Return the planned trials that nobody was given; unlike `ask`, plan nothing."""
        with self._changed:
            return self._record.hand_out()

    def give_back(self, request: TrialRequest) -> None:
        """Give back a trial that will not be told, as when its worker was lost; others are given it."""
        with self._changed:
            self._record.give_back([request])
            self._changed.notify_all()

    def run(
        self,
        trainer: Trainer,
        *,
        checkpoints: Path | None = None,
        executor: Executor | str = "in-process",
        workers: int | None = None,
    ) -> None:
        """Train until the search is over; what was told before stays.

        A training that raises, by itself, ends the run. What was told by then stays, and another `run` goes
        on from there. A training whose worker process dies is tried again, later by itself and then
        with nothing else in training; see ``grouping.domain.trainings.faults``.

        Args:
            trainer: trains the networks; told `terms`. It is prepared here.
            checkpoints: a folder in which it may keep unfinished trainings; None if nothing is to be kept.
            executor: where the networks are trained: ``"in-process"``, one stack after another; in
                ``"threads"``; or in ``"processes"``, which are started anew (spawn), so that a script needs
                ``if __name__ == "__main__"``, and which keep to `Trainer.deadline_s`; or on ``"ray"``: the
                cluster of ``ray.init`` or of ``RAY_ADDRESS``, or else one of this machine, by
                `Trainer.resources`. Or one of your own.
            workers: the most trainings at the same time; one per processor unless given.

        Raises:
            TrainingError: if a training raises; where that is in this process, the exception is its cause.
            GroupingError: if the trainer cannot prepare the job.
            InvalidInputError: if there is no such executor.
            MissingExtraError: if Ray is not installed.
        """
        with executor_of(executor, workers) as executes:
            trainer.prepare(LocalPool())
            executes.begin(trainer, checkpoints)
            trainings = ExecutedTrainings(self, trainer, executes)
            for request in self._record.open:
                self.give_back(request)
            loop = Loop(self, trainings)
            try:
                while loop.advance():
                    pass
            finally:
                for request in self._record.open:
                    self.give_back(request)

    # --- what came out

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Record the outcome of a trainer, with the affinities that it measured; see `tell`."""
        if outcome.state is not TrialState.SUCCEEDED:
            self.tell(request, None)
            return
        outcome = with_losses(outcome, self._tasks)
        validation = {score.task: score.validation_loss for score in outcome.scores}
        tested = {score.task: score.test_loss for score in outcome.scores if score.test_loss is not None}
        with self._changed:
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
        with self._changed:
            self._record.tell(request, validation, test, is_free)
            self._has_news = True
            self._changed.notify_all()

    def tell_results(self, results: FinishedResults) -> int:
        """Record trainings that were carried out before: all of them, or none. They count in no budget.

        Those that were told before with the same values change nothing.

        Args:
            results: such as `results_of_table` takes from a score table.

        Returns:
            Number of those that were new.

        Raises:
            ResultsRefusedError: if one does not fit the search; says which, and why.
        """
        with self._changed:
            fitting = fit_results(
                results,
                self._tasks,
                self._terms,
                self._record.trials,
                refused=groups_not_told(self._strategy, [task.name for task in self._tasks]),
            )
            for result in fitting.new:
                validation = {score.task: score.validation_loss for score in result.scores}
                tested = {s.task: s.test_loss for s in result.scores if s.test_loss is not None}
                self.tell(result.request, validation, tested, is_free=True)
            return len(fitting.new)

    def tell_affinities(self, affinities: Mapping[str, AffinityMatrix]) -> None:
        """Record affinities measured in joint trainings, by the name of the method."""
        with self._changed:
            self._affinities |= affinities
            self._has_news = True

    def scores(self, fidelity: float = 1.0, purpose: Purpose = Purpose.SEARCH) -> ScoreTable:
        """Return the scores told at one fidelity; a network of which a training diverged has an empty row."""
        return self.state.scores(purpose=purpose, fidelity=fidelity)

    def estimate(self) -> LossEstimate:
        """Return losses of the candidates, measured or predicted, with their uncertainty."""
        return self._strategy.estimate(self.evidence)

    def recommend(self, budget_snt: float) -> Solution:
        """Find the best grouping of networks that were measured in full."""
        scores = self.scores()
        return solve(scores, budget_snt, constraints=self._terms.constraints.known_in(scores))

    def recommendations(self) -> tuple[Recommendation, ...]:
        """Find the best grouping for each inference budget, with its verdict on fresh seeds if any."""
        state, terms = self.state, self._terms
        confirmation = state.scores(purpose=Purpose.CONFIRMATION) if terms.confirmation_seeds else None
        return recommend(
            state.full,
            confirmation,
            terms.budgets_snt,
            constraints=terms.constraints,
            baselines=terms.baselines,
        )

    def _planner(self) -> Planner:
        return Planner(self._terms, self.state, self._strategy, self._prices)


def _no_epochs(_n_tasks: int, _fidelity: float) -> int:
    """Return no epochs: the budget of `Search` is in trainings, so lengths are not asked for."""
    return 0
