"""Queue of a job's trainings: planned ones cut into stacks, those at the driver, their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from grouping.domain.arithmetic import differences
from grouping.domain.trials import Trial, TrialOutcome, TrialRequest, TrialState
from grouping.store import Claim, Store
from grouping.trainers import Stack, Trainer
from grouping_workers.dispatch.driver_process import DriverProcess
from grouping_workers.dispatch.driver_requests import POLL_S, unexpected
from grouping_workers.dispatch.stack_size import largest_stack
from grouping_workers.messages import Answer, Lost, Resized, Train, Trained

PREFETCH = 1
"""Stacks that wait at the driver beyond those that run, so that no worker waits for the database."""


class TrainingQueue:
    """Sends planned trials to the driver and records their outcomes. Every write is fenced by the claim.

    What waits here is a copy of what the database has planned; `refill` asks for it anew once it is used up.

    Args:
        store: the database.
        claim: the lease on the job.
        driver: the Ray driver.
        trainer: says which trials are trained together.

    Attributes:
        n_workers: stacks that are trained at the same time.
        trainer: the trainer of the job, as far as it is settled.
        versions: versions with which the first training of the job ran.
        has_outcomes: whether any training ended in the last `collect`.
    """

    def __init__(self, store: Store, claim: Claim, driver: DriverProcess, trainer: Trainer) -> None:
        self._store = store
        self._claim = claim
        self._driver = driver
        self._waiting: deque[Stack] = deque()
        self._in_flight: dict[int, tuple[Trial, ...]] = {}
        self._n_orders = 0
        self._is_outdated = True
        self.n_workers = 1
        self.trainer = trainer
        self.versions: Mapping[str, str] = {}
        self.has_outcomes = False
        self._told: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here and nothing is at the driver."""
        return not self._waiting and not self._in_flight

    @property
    def has_orders(self) -> bool:
        """Whether anything is at the driver."""
        return bool(self._in_flight)

    @property
    def n_free(self) -> int:
        """Stacks that could begin at once, beyond those that wait."""
        return max(0, self.n_workers - len(self._in_flight) - len(self._waiting))

    def refill(self) -> None:
        """Read what the database has planned, if nothing waits here and there may be something."""
        if not self._waiting and (self._is_outdated or not self._in_flight):
            self._is_outdated = False
            planned = self._store.trials(self._claim.job.id, states={TrialState.PLANNED})
            self._waiting.extend(self.trainer.stacks(planned, self.n_workers) if planned else ())

    def forget_waiting(self) -> None:
        """Forget what waits, as the plan in the database has changed: `refill` reads it again."""
        self._waiting.clear()
        self._is_outdated = True

    def clear(self) -> None:
        """Forget everything, as after the end of the driver; nothing is written."""
        self.forget_waiting()
        self._in_flight.clear()

    def requeue_all(self, reason: str) -> None:
        """Plan again what was at a driver that died."""
        lost = [trial.id for stack in self._in_flight.values() for trial in stack]
        if lost:
            self._store.requeue_trials(self._claim, lost, reason)
        self.clear()

    def start(self) -> None:
        """Send stacks until every worker has one and one more waits, all started in one transaction.

        Raises:
            WorkerLostError: if the driver died; what it was asked for is to be requeued.
        """
        orders: list[Train] = []
        stacks: dict[int, tuple[Trial, ...]] = {}
        while self._waiting and len(self._in_flight) + len(orders) < self.n_workers + PREFETCH:
            stack = self._next_stack()
            self._n_orders += 1
            stacks[self._n_orders] = stack
            requests = {trial.id: _request(trial) for trial in stack}
            orders.append(Train(self._n_orders, self._claim.job.id, requests))
        if not orders:
            return
        self._store.start_trials(self._claim, [trial for order in orders for trial in order.requests])
        self._in_flight |= stacks
        for order in orders:
            self._driver.send(order)

    def _next_stack(self) -> tuple[Trial, ...]:
        """Take the first waiting stack, or as much of it as may be trained in one go now."""
        stack = self._waiting.popleft()
        trials = stack.trials
        if len(trials) == 1 or stack.is_whole:
            return trials
        most = largest_stack(
            self._store.ledger(self._claim.job.id),
            sum(trial.planned_epochs for trial in trials) / len(trials),
            n_in_flight=self.n_workers + PREFETCH,
            budget_s=self._claim.job.spec.training_budget.seconds,
        )
        if most < len(trials):
            self._waiting.appendleft(Stack(trials[most:]))
        return trials[:most]

    def collect(self) -> bool:
        """Record what ended, waiting a little for the first; return whether the driver answered at all.

        Raises:
            WorkerLostError: if the driver died; what it had answered before is recorded.
            TrainingError: if it refuses an order.
        """
        answers: list[Answer] = []
        try:
            while len(answers) < len(self._in_flight):
                answer = self._driver.receive(0 if answers else POLL_S)
                if answer is None:
                    break
                answers.append(answer)
        finally:
            self.has_outcomes = self._record(answers)
        return bool(answers)

    def _record(self, answers: Sequence[Answer]) -> bool:
        """Record all that ended in one transaction."""
        outcomes: dict[str, TrialOutcome] = {}
        ended: list[int] = []
        for answer in answers:
            if isinstance(answer, Trained):
                self._tell_how(answer)
                outcomes |= answer.outcomes
                ended.append(answer.number)
            elif isinstance(answer, Lost):
                lost = [trial.id for trial in self._in_flight[answer.number]]
                self._store.requeue_trials(self._claim, lost, answer.reason)
                del self._in_flight[answer.number]
                self.forget_waiting()
            elif isinstance(answer, Resized):
                self.n_workers = answer.n_workers
            else:
                raise unexpected(answer)
        if outcomes:
            self._store.record_outcomes(self._claim, outcomes)
        for number in ended:
            del self._in_flight[number]
        return bool(outcomes)

    def _tell_how(self, answer: Trained) -> None:
        """Record, once each, remarks of a worker and a change of the versions it trains with."""
        reasons = dict(answer.remarks)
        if different := differences(self.versions, answer.environment):
            reasons["environment_differs"] = f"scores may differ by rounding: the job began with {different}"
        for kind, reason in reasons.items():
            if reason and reason not in self._told:
                self._told.add(reason)
                self._store.append_event(self._claim, kind, {"reason": reason})


def _request(trial: Trial) -> TrialRequest:
    return TrialRequest(trial.network, trial.seed, trial.fidelity, trial.purpose, trial.measures_affinity)
