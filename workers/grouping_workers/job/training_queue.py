"""Queue of a job's trainings: planned ones cut into stacks, those in training, their answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from grouping.domain.trainings.arithmetic import differences
from grouping.domain.trainings.faults import (
    MAX_LOSSES_IN_A_ROW,
    Fault,
    LossCause,
    limit_by_estimate_s,
    pause_s,
)
from grouping.domain.trainings.trials import Trial, TrialOutcome, TrialRequest, TrialState
from grouping.errors import TrainingError
from grouping.store import Claim, Store, TrialReport
from grouping.trainers import Stack, Trainer
from grouping_workers.job.checkpoint_marks import CheckpointMarks
from grouping_workers.job.executor import JobExecutor, Lost, Report, Trained, TrainingOrder
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
        checkpoints: folder of the checkpoints of the job; None for none.

    Attributes:
        trainer: the trainer of the job, as far as it is settled.
        versions: versions with which the first training of the job ran.
        has_outcomes: whether any training ended in the last `collect`.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        executor: JobExecutor,
        trainer: Trainer,
        checkpoints: Path | None = None,
    ) -> None:
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
        self._marks = CheckpointMarks(checkpoints)
        self._losses_in_a_row = 0
        self._not_before = 0.0

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
        """Stacks that could begin at once, beyond those that wait; none beside one in quarantine."""
        if self._is_quarantine_on:
            return 0
        return max(0, self._executor.size - len(self._in_flight) - len(self._waiting))

    def refill(self) -> None:
        """Read what the database has planned, if nothing waits here and there may be something."""
        if not self._waiting and (self._is_outdated or not self._in_flight):
            self._is_outdated = False
            planned = self._store.trials(self._claim.job.id, states={TrialState.PLANNED})
            free = [trial for trial in planned if not trial.standing.is_quarantined]
            if free:
                self._waiting.extend(self.trainer.stacks(free, self._executor.size))
            elif planned and not self._in_flight:  # suspects come last, one by one
                self._waiting.append(Stack((planned[0],), is_whole=True))

    def forget_waiting(self) -> None:
        """Forget what waits, as the plan in the database has changed: `refill` reads it again."""
        self._waiting.clear()
        self._is_outdated = True

    def start(self) -> None:
        """Start stacks until there is no more room, all in one transaction."""
        if self._is_quarantine_on or time.monotonic() < self._not_before:
            return
        if not self._waiting:
            return
        spent = self._store.ledger(self._claim.job.id)
        epoch_s = spent.seconds / spent.epochs if spent.epochs and spent.seconds else None
        orders: list[TrainingOrder] = []
        stacks: dict[int, tuple[Trial, ...]] = {}
        while self._waiting and len(self._in_flight) + len(orders) < self._most_in_flight:
            stack = self._next_stack()
            self._n_orders += 1
            stacks[self._n_orders] = stack
            orders.append(self._order(self._n_orders, stack, epoch_s))
        if not orders:
            return
        self._store.start_trials(self._claim, [trial for order in orders for trial in order.requests])
        self._in_flight |= stacks
        for order in orders:
            self._marks.note(self.trainer, order.requests)
            self._executor.submit(order)

    @property
    def _is_quarantine_on(self) -> bool:
        """Whether a trial in quarantine is in training."""
        return any(trial.standing.is_quarantined for stack in self._in_flight.values() for trial in stack)

    @property
    def _most_in_flight(self) -> int:
        return self._executor.size + (0 if self.trainer.plans_continuously else PREFETCH)

    def _order(self, number: int, stack: tuple[Trial, ...], epoch_s: float | None) -> TrainingOrder:
        trainings = self.trainer.trainings
        deadlines = [trainings.deadline_s(trial.network, trial.fidelity) for trial in stack]
        known = [deadline for deadline in deadlines if deadline is not None]
        return TrainingOrder(
            number,
            {trial.id: _request(trial) for trial in stack},
            deadline_s=sum(known) if len(known) == len(stack) else None,
            limit_s=limit_by_estimate_s(epoch_s, sum(trial.planned_epochs for trial in stack)),
            is_alone=any(trial.standing.is_quarantined for trial in stack),
        )

    def _next_stack(self) -> tuple[Trial, ...]:
        """Take the first waiting stack, or as much of it as may be trained in one go now."""
        stack = self._waiting.popleft()
        trials = stack.trials
        if len(trials) == 1 or stack.is_whole:
            return trials
        if any(t.standing.is_suspect for t in trials):  # alone: the next loss tells which it was
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
        if not self._in_flight:
            time.sleep(POLL_S)  # after a loss
        answers = self._executor.collect(POLL_S)
        if reports := self._executor.reports():  # before losses, which it matters to how far they got
            self._store.report_progress(self._claim, by_trial(reports))
        self.has_outcomes = self._record(answers)
        return bool(answers) or self._executor.size != size

    def _record(self, answers: Sequence[Trained | Lost]) -> bool:
        """Record all that ended in one transaction, and what was lost; return whether anything ended."""
        outcomes: dict[str, TrialOutcome] = {}
        ended: list[int] = []
        for answer in answers:
            if isinstance(answer, Trained):
                self._tell_how(answer)
                outcomes |= answer.outcomes
                ended.append(answer.number)
            else:
                lost = [trial.id for trial in self._in_flight[answer.number]]
                self._lose(lost, answer.reason, answer.loss)
                del self._in_flight[answer.number]
        final = {trial: one for trial, one in outcomes.items() if one.fault is not Fault.RESOURCES}
        if final:
            self._losses_in_a_row = 0
            self._store.record_outcomes(self._claim, final)
        for trial in outcomes.keys() - final.keys():
            self._lose([trial], outcomes[trial].error or "", LossCause.OUT_OF_MEMORY)
        for number in ended:
            del self._in_flight[number]
        return bool(final)

    def _lose(self, trials: Sequence[str], reason: str, loss: LossCause) -> None:
        """Plan trials again, or have them given up; then rest for a while, the longer the more are lost.

        Raises:
            TrainingError: if workers are lost again and again, and no training ends.
        """
        if len(trials) > 1 and loss is not LossCause.WITH_ALL:
            loss = LossCause.WITH_WORKER  # which of them it was is not known
        progressed = self._marks.progressed(trials)
        self._store.requeue_trials(self._claim, trials, reason, loss, progressed=progressed)
        self.forget_waiting()
        if loss is LossCause.BY_ITS_WORD:
            return
        self._losses_in_a_row = 0 if progressed else self._losses_in_a_row + 1
        if self._losses_in_a_row >= MAX_LOSSES_IN_A_ROW:
            raise TrainingError(
                f"{self._losses_in_a_row} workers in a row were lost, and no training ended in between. The "
                f"last one: {reason} Resume the job when its machines are well."
            )
        self._not_before = time.monotonic() + pause_s(self._losses_in_a_row)

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
