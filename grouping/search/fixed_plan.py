"""A fixed plan: a list of trainings, all of which are carried out, whatever comes out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.search.executors import Executor
from grouping.search.loop import Loop
from grouping.search.trainings import ExecutedTrainings
from grouping.trainers import PreparedTrainer

Outcome = tuple[TrialRequest, TrialOutcome]


class FixedPlan:
    """Has every training of a list carried out; see `grouping.search.Plans`.

    Args:
        requests: the trainings, no two of which are the same.
    """

    plans_continuously = False

    def __init__(self, requests: Iterable[TrialRequest]) -> None:
        self._requests = tuple(requests)
        self._outcomes: list[Outcome] = []

    def plan(self, n_free: int = 0) -> bool:
        """Plan nothing further."""
        return False

    def hand_out(self) -> tuple[TrialRequest, ...]:
        """Return all requests, the first time."""
        requests, self._requests = self._requests, ()
        return requests

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Keep an outcome for `take_outcomes`.

        Raises:
            TrainingError: if the training failed. A diverged training is an outcome.
        """
        if outcome.state not in (TrialState.SUCCEEDED, TrialState.DIVERGED):
            raise TrainingError(f"The training of {request.network} failed: {outcome.error}")
        self._outcomes.append((request, outcome))

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


def train_all(
    trainer: PreparedTrainer, requests: Iterable[TrialRequest], executor: Executor
) -> Iterator[Outcome]:
    """Train every request of a list, in the order and the stacks that the trainer cuts.

    Args:
        trainer: trains the networks.
        requests: the trainings, no two of which are the same.
        executor: carries them out; nothing is in training.

    Yields:
        Each request with its outcome, as the trainings end.

    Raises:
        TrainingError: if a training raises, fails, or is lost too often.
    """
    plan = FixedPlan(requests)
    executor.begin(trainer.trainer, None)
    loop = Loop(plan, ExecutedTrainings(plan, trainer.planner, executor))
    while loop.advance():
        yield from plan.take_outcomes()
