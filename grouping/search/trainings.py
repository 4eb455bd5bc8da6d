"""Trainings of a search without a service: stacks of trials, handed to an executor."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Protocol

from grouping.domain.trainings.faults import Fault, LossCause, Standing
from grouping.domain.trainings.trials import Trial, TrialKey, TrialOutcome, TrialRequest, TrialState
from grouping.search.executors import Executor, Submitted
from grouping.trainers import Trainer

Requests = tuple[TrialRequest, ...]


class HandsOut(Protocol):
    """A search, as far as its trainings need it."""

    def hand_out(self) -> Requests:
        """Return the planned trials that nobody was given."""

    def tell_outcome(self, request: TrialRequest, outcome: TrialOutcome) -> None:
        """Record the outcome of a training."""


class ExecutedTrainings:
    """Trains what a search has planned, with an executor; see `grouping.search.TrialRunner`.

    Args:
        search: the search to train for.
        trainer: says what is trained together, how long that may take, and how often it is tried.
        executor: carries the trainings out; it has begun with the setup of the trainer.
    """

    def __init__(self, search: HandsOut, trainer: Trainer, executor: Executor) -> None:
        self._search = search
        self._trainer = trainer
        self._executor = executor
        self._waiting: deque[Requests] = deque()
        self._lost: list[TrialRequest] = []
        self._in_flight: dict[int, Requests] = {}
        self._standings: dict[TrialKey, Standing] = {}
        self._n_orders = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in training."""
        return not self._waiting and not self._in_flight

    @property
    def n_free(self) -> int:
        """Trainings that could begin at once, beyond those that wait."""
        return max(0, self._executor.size - len(self._in_flight) - len(self._waiting))

    def refill(self) -> None:
        """Cut into stacks what is planned and what was lost, if nothing waits."""
        if self._waiting:
            return
        requests = {request.key: request for request in (*self._lost, *self._search.hand_out())}
        self._lost.clear()
        if requests:
            planned = [self._planned(n, request) for n, request in enumerate(requests.values())]
            stacks = self._trainer.stacks(planned, self._executor.size)
            parts = [tuple(requests[trial.key] for trial in stack.trials) for stack in stacks]
            self._waiting.extend(sorted(parts, key=self._is_quarantined))  # suspects come last

    def start(self) -> None:
        """Hand over stacks as long as the executor has room."""
        self.refill()
        while self._waiting and len(self._in_flight) < self._executor.size:
            alone = (self._waiting[0], *self._in_flight.values())
            if self._in_flight and any(map(self._is_quarantined, alone)):
                return
            stack = self._waiting.popleft()
            self._n_orders += 1
            self._in_flight[self._n_orders] = stack
            resources = self._trainer.trainings.resources(stack[0].network)
            self._executor.submit(Submitted(self._n_orders, stack, self._deadline_s(stack), resources))

    def collect(self) -> bool:
        """Wait for the first training that ends, and tell the search what came out."""
        if not self._in_flight:
            return False
        for ended in self._executor.collect():
            stack = self._in_flight.pop(ended.number)
            if ended.outcomes is None:
                self._repeat(stack, ended.reason, ended.loss)
                continue
            for request, outcome in zip(stack, ended.outcomes, strict=True):
                if outcome.fault is Fault.RESOURCES:
                    self._repeat((request,), outcome.error or "", LossCause.OUT_OF_MEMORY)
                else:
                    self._search.tell_outcome(request, outcome)
        return True

    def _repeat(self, stack: Requests, reason: str, loss: LossCause) -> None:
        """Train again what was lost, unless its losses say that it is to be given up."""
        if len(stack) > 1 and loss is not LossCause.WITH_ALL:
            loss = LossCause.WITH_WORKER  # which of them it was is not known
        for request in stack:
            standing, fault = self._standing(request).after(
                loss, max_attempts=self._trainer.trainings.max_attempts
            )
            self._standings[request.key] = standing
            if fault is None:
                self._lost.append(request)
            else:
                self._search.tell_outcome(request, TrialOutcome(TrialState.FAILED, error=reason, fault=fault))

    def _standing(self, request: TrialRequest) -> Standing:
        return self._standings.get(request.key, Standing())

    def _is_quarantined(self, stack: Requests) -> bool:
        return any(self._standing(request).is_quarantined for request in stack)

    def _deadline_s(self, stack: Requests) -> float | None:
        """Return the seconds that a stack may take: those of its trainings together."""
        total = 0.0
        for request in stack:
            deadline = self._trainer.trainings.deadline_s(request.network, request.fidelity)
            if deadline is None:
                return None
            total += deadline
        return total

    def _planned(self, position: int, request: TrialRequest) -> Trial:
        return replace(Trial.planned(position, request), standing=self._standing(request))
