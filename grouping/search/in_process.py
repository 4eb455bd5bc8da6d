"""The trainings of a search in its own process, one stack after another."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Protocol

from grouping.domain.trials import Trial, TrialOutcome, TrialRequest, TrialState
from grouping.trainers import LocalPool, Trainer


class AskTell(Protocol):
    """A search that is asked and told."""

    def ask(self) -> tuple[TrialRequest, ...]:
        """Trials to train next; those not told yet, if there are any."""

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Say what a training came to."""


class TrainingsHere:
    """Trains what a search asks for; see `grouping.search.Trainings`.

    Args:
        search: asked and told.
        trainer: trains. It is prepared here.
        checkpoints: a folder in which it may keep unfinished trainings.

    Raises:
        GroupingError: if the trainer cannot prepare the job.
    """

    def __init__(self, search: AskTell, trainer: Trainer, checkpoints: Path | None = None) -> None:
        self._search = search
        self._trainer = trainer
        self._checkpoints = checkpoints
        self._waiting: deque[tuple[TrialRequest, ...]] = deque()
        pool = LocalPool()
        trainer.prepare(pool)
        self._worker = pool.worker(trainer.setup())

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits; nothing is ever in training between two calls."""
        return not self._waiting

    def refill(self) -> None:
        """Nothing is planned before the search is asked."""

    def start(self) -> None:
        """Cut what the search asks for into stacks, once the last ones are trained."""
        if not self._waiting:
            requests = {request.key: request for request in self._search.ask()}
            planned = [_planned(n, request) for n, request in enumerate(requests.values())]
            stacks = self._trainer.stacks(planned, 1)
            self._waiting.extend(tuple(requests[trial.key] for trial in stack.trials) for stack in stacks)

    def collect(self) -> None:
        """Train the next stack and tell what came of it."""
        stack = self._waiting.popleft()
        for request, outcome in zip(stack, self._worker.train(stack, self._checkpoints), strict=True):
            self._search.tell_outcome(request, outcome)


def _planned(position: int, request: TrialRequest) -> Trial:
    return Trial(
        str(position),
        position,
        request.network,
        request.purpose,
        request.seed,
        request.fidelity,
        TrialState.PLANNED,
        measures_affinity=request.measures_affinity,
    )
