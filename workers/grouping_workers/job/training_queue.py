"""Queue of a job's trainings: planned ones cut into stacks, those in training, their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from grouping.domain.arithmetic import differences
from grouping.domain.trials import Blame, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.store import Claim, Store, TrialReport
from grouping.trainers import Stack, Trainer
from grouping_workers.job.executor import Executor, Lost, Order, Report, Trained
from grouping_workers.job.stack_size import largest_stack

POLL_S = 0.5
PREFETCH = 1
"""Stacks that wait at the executor beyond those that run, so that no worker waits for the database.

Only of a trainer whose trainings are short: a long one that waits would count as running.
"""


class TrainingQueue:
    """Hands planned trials to the executor and records their outcomes. Every write is fenced by the claim.

    What waits here is a copy of what the database has planned; `refill` asks for it anew once it is used up.

    Args:
        store: the database.
        claim: the lease on the job.
        executor: carries out the trainings.
        trainer: says which trials are trained together.

    Attributes:
        trainer: the trainer of the job, as far as it is settled.
        versions: versions with which the first training of the job ran.
        has_outcomes: whether any training ended in the last `collect`.
    """

    def __init__(self, store: Store, claim: Claim, executor: Executor, trainer: Trainer) -> None:
        self._store = store
        self._claim = claim
        self._executor = executor
        self._waiting: deque[Stack] = deque()
        self._in_flight: dict[int, tuple[Trial, ...]] = {}
        self._n_orders = 0
        self._is_outdated = True
        self.trainer = trainer
        self.versions: Mapping[str, str] = {}
        self.has_outcomes = False
        self._told: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here and nothing is in training."""
        return not self._waiting and not self._in_flight

    @property
    def is_training(self) -> bool:
        """Whether anything is in training here."""
        return bool(self._in_flight)

    @property
    def n_free(self) -> int:
        """Stacks that could begin at once, beyond those that wait."""
        return max(0, self._executor.size - len(self._in_flight) - len(self._waiting))

    def refill(self) -> None:
        """Read what the database has planned, if nothing waits here and there may be something."""
        if not self._waiting and (self._is_outdated or not self._in_flight):
            self._is_outdated = False
            planned = self._store.trials(self._claim.job.id, states={TrialState.PLANNED})
            self._waiting.extend(self.trainer.stacks(planned, self._executor.size) if planned else ())

    def forget_waiting(self) -> None:
        """Forget what waits, as the plan in the database has changed: `refill` reads it again."""
        self._waiting.clear()
        self._is_outdated = True

    def start(self) -> None:
        """Start stacks until there is no more room, all in one transaction."""
        orders: list[Order] = []
        stacks: dict[int, tuple[Trial, ...]] = {}
        while self._waiting and len(self._in_flight) + len(orders) < self._most_in_flight:
            stack = self._next_stack()
            self._n_orders += 1
            stacks[self._n_orders] = stack
            orders.append(self._order(self._n_orders, stack))
        if not orders:
            return
        self._store.start_trials(self._claim, [trial for order in orders for trial in order.requests])
        self._in_flight |= stacks
        for order in orders:
            self._executor.submit(order)

    @property
    def _most_in_flight(self) -> int:
        return self._executor.size + (0 if self.trainer.plans_continuously else PREFETCH)

    def _order(self, number: int, stack: tuple[Trial, ...]) -> Order:
        trainings = self.trainer.trainings
        deadlines = [trainings.deadline_s(trial.network, trial.fidelity) for trial in stack]
        known = [deadline for deadline in deadlines if deadline is not None]
        return Order(
            number,
            {trial.id: _request(trial) for trial in stack},
            deadline_s=sum(known) if len(known) == len(stack) else None,
        )

    def _next_stack(self) -> tuple[Trial, ...]:
        """Take the first waiting stack, or as much of it as may be trained in one go now."""
        stack = self._waiting.popleft()
        trials = stack.trials
        if len(trials) == 1 or stack.is_whole:
            return trials
        if any(t.blame >= Blame.WITH_WORKER for t in trials):  # alone: the next loss tells which it was
            self._waiting.appendleft(Stack(trials[1:]))
            return trials[:1]
        most = largest_stack(
            self._store.ledger(self._claim.job.id),
            sum(trial.planned_epochs for trial in trials) / len(trials),
            n_in_flight=self._most_in_flight,
            budget_s=self._claim.job.spec.training_budget.seconds,
        )
        if most < len(trials):
            self._waiting.appendleft(Stack(trials[most:]))
        return trials[:most]

    def collect(self) -> bool:
        """Record what ended, waiting a little for the first; return whether there is news."""
        size = self._executor.size
        answers = self._executor.collect(POLL_S)
        self.has_outcomes = self._record(answers)
        if reports := self._executor.reports():
            self._store.report_progress(self._claim, by_trial(reports))
        return bool(answers) or self._executor.size != size

    def _record(self, answers: Sequence[Trained | Lost]) -> bool:
        """Record all that ended in one transaction."""
        outcomes: dict[str, TrialOutcome] = {}
        ended: list[int] = []
        for answer in answers:
            if isinstance(answer, Trained):
                self._tell_how(answer)
                outcomes |= answer.outcomes
                ended.append(answer.number)
            else:
                lost = [trial.id for trial in self._in_flight[answer.number]]
                self._store.requeue_trials(self._claim, lost, answer.reason, answer.blame)
                del self._in_flight[answer.number]
                self.forget_waiting()
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


def by_trial(reports: Iterable[Report]) -> dict[str, TrialReport]:
    """Return what each trial told, of which there may be several reports, in the order of telling."""
    found: dict[str, TrialReport] = {}
    for report in reports:
        before = found.get(report.trial, TrialReport())
        points = (*before.points, *report.points)
        found[report.trial] = TrialReport(points, before.log + report.log)
    return found


def _request(trial: Trial) -> TrialRequest:
    return TrialRequest(
        trial.network, trial.seed, trial.fidelity, trial.purpose, trial.measures_affinity, trial.variant
    )
