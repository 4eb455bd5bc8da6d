"""Trainings of a search in its own process, one stack after another."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Protocol

from grouping.domain.trials import Trial, TrialOutcome, TrialRequest
from grouping.trainers import LocalPool, Trainer


class AskTell(Protocol):
    """A search with the methods `ask` and `tell_outcome`."""

    def ask(self) -> tuple[TrialRequest, ...]:
        """Return trials to train next; those not told yet, if there are any."""

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Record the outcome of a training."""


class InProcessTrainings:
    """Trains what a search asks for, in this process; see `grouping.search.Trainings`.

    Args:
        search: the search to train for.
        trainer: trains the networks; it is prepared here.
        checkpoints: a folder in which it may keep unfinished trainings.

    Raises:
        GroupingError: if the trainer cannot prepare the job.
    """

    def __init__(self, search: AskTell, trainer: Trainer, checkpoints: Path | None = None) -> None:
        self._search = search
        self._trainer = trainer
        self._checkpoints = checkpoints
        self._waiting: deque[tuple[TrialRequest, ...]] = deque()
        self._pool = LocalPool()
        trainer.prepare(self._pool)
        self._setup = trainer.setup()
        self._pool.worker(self._setup)

    @property
    def is_idle(self) -> bool:
        """Whether no stack waits; none is ever in training between two calls."""
        return not self._waiting

    def refill(self) -> None:
        """Do nothing: trials are planned when the search is asked."""

    def start(self) -> None:
        """Cut what the search asks for into stacks, once the last ones are trained."""
        if not self._waiting:
            requests = {request.key: request for request in self._search.ask()}
            planned = [Trial.planned(n, request) for n, request in enumerate(requests.values())]
            stacks = self._trainer.stacks(planned, 1)
            self._waiting.extend(tuple(requests[trial.key] for trial in stack.trials) for stack in stacks)

    def collect(self) -> None:
        """Train the next stack and record its outcomes."""
        stack = self._waiting.popleft()
        outcomes = self._pool.train(self._trainer, self._setup, stack, self._checkpoints)
        for request, outcome in zip(stack, outcomes, strict=True):
            self._search.tell_outcome(request, outcome)
