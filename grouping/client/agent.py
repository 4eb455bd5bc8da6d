"""Agent: asks a service for trainings, carries them out, and reports, until it is told to stop.

Whatever happens to a training, the service learns of it: a result, a failure, or that it is given back;
and where the agent is killed, its leases end by themselves.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from grouping.client.assignments import Assignment, Assignments, this_worker
from grouping.client.connection import ServiceError
from grouping.client.heartbeats import Heartbeats
from grouping.domain.trainings.faults import Fault, is_out_of_memory
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialState
from grouping.errors import LeaseLostError, RetryTrainingError, StoreUnavailableError
from grouping.trainers.workers import TrainingReports

Train = Callable[[Assignment, TrainingReports], TrialOutcome]
"""Carries out a training. It may raise `RetryTrainingError` to be tried again; any other exception is a
failure. It should end soon once `TrainingReports.is_cancelled` tells that nobody waits."""

T = TypeVar("T")

ASK_S = 5.0
"""Seconds for which the service is asked to wait; a stop is noticed after them."""
LOOK_S = 60.0
"""The most seconds between two looks at what waits and does not fit."""
PATIENCE_S = 600.0
"""Seconds for which a service that does not answer is tried again."""
PATIENCE_AT_END_S = 10.0
"""The same for a last report, once the agent is to end."""
PAUSE_S = 1.0

logger = logging.getLogger(__name__)


class Lacks:
    """Says what waits and does not fit a worker that is given nothing: once, and again when it changes.

    Args:
        service: a client, or one of its jobs.
        resources: what the worker has; None for a worker that takes anything.
        say: takes a sentence for people.
    """

    def __init__(self, service: Assignments, resources: Resources | None, say: Callable[[str], None]) -> None:
        self._service = service
        self._resources = resources
        self._say = say
        self._said = ""
        self._next_s = 0.0
        self._pause_s = ASK_S

    def look(self) -> None:
        """Look what waits, at first each time and later once a minute."""
        if self._resources is None or time.monotonic() < self._next_s:
            return
        sentence = self._service.waiting(self._resources).sentence
        if sentence and sentence != self._said:
            self._say(sentence)
        self._said = sentence
        self._next_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LOOK_S)


class Agent:
    """Trains for a service, in some slots at the same time.

    Args:
        service: a client, or one of its jobs.
        train: carries out a training; called from several threads where there are several slots.
        worker: name of the worker, for people; host and process unless given.
        slots: number of trainings at the same time.
        resources: what each slot has; only trainings that fit are leased then, and what the others need is
            told. Memory that is not stated is not limited.
        once: whether each slot ends after one training.
        idle_exit_s: seconds without a training after which a slot ends; None to wait for ever.
        on_event: takes a sentence about each training, for people.
        on_log: takes the output of the trainings.
    """

    def __init__(
        self,
        service: Assignments,
        train: Train,
        *,
        worker: str | None = None,
        slots: int = 1,
        resources: Resources | None = None,
        once: bool = False,
        idle_exit_s: float | None = None,
        on_event: Callable[[str], None] = logger.info,
        on_log: Callable[[str], None] | None = None,
    ) -> None:
        self._service = service
        self._train = train
        self._worker = worker or this_worker()
        self._slots = slots
        self._resources = resources
        self._once = once
        self._idle_exit_s = idle_exit_s
        self._on_event = on_event
        self._on_log = on_log
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """End soon: what is being trained is ended and given back. Safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop, until nothing is left to do, or until an error.

        Raises:
            ServiceError: if the service refuses what it is asked for.
            StoreUnavailableError: if it does not answer for `PATIENCE_S`.
        """
        slots = [threading.Thread(target=self._work, args=(n,)) for n in range(self._slots)]
        for slot in slots:
            slot.start()
        for slot in slots:
            while slot.is_alive():
                slot.join(0.2)  # so that signals are handled in between
        if self._errors:
            raise self._errors[0]

    def _work(self, number: int) -> None:
        name = self._worker if self._slots == 1 else f"{self._worker}/{number}"
        try:
            idle_since = time.monotonic()
            lacks = Lacks(self._service, self._resources, self._on_event)
            while not self._stop.is_set():
                assignment = self._patiently(functools.partial(self._ask, name), at_end_s=0.0)
                if assignment is not None:
                    self._carry_out(assignment)
                    if self._once:
                        return
                    idle_since = time.monotonic()
                elif self._service.has_ended() or self._is_idle_since(idle_since):
                    return
                elif number == 0:
                    self._patiently(lacks.look, at_end_s=0.0)
        except Exception as error:  # noqa: BLE001 - raised by `run`
            self._errors.append(error)
            self._stop.set()

    def _is_idle_since(self, begin: float) -> bool:
        return self._idle_exit_s is not None and time.monotonic() - begin >= self._idle_exit_s

    def _ask(self, name: str) -> Assignment | None:
        wait_s = ASK_S if self._idle_exit_s is None else min(ASK_S, self._idle_exit_s)
        return self._service.ask(name, wait_s=wait_s, resources=self._resources)

    def _carry_out(self, assignment: Assignment) -> None:
        self._on_event(f"training {assignment}")
        with Heartbeats(self._service, assignment, self._stop, self._on_log) as reports:
            report = self._train_one(assignment, reports)
        try:
            state = self._patiently(report, at_end_s=PATIENCE_AT_END_S)
        except ServiceError as error:
            if error.code == LeaseLostError.code:
                self._on_event(f"dropped {assignment}: the lease has ended")
                return
            refused = f"The service refused the result: {error}"
            fail = functools.partial(self._service.fail, assignment, refused)
            state = self._patiently(fail, at_end_s=PATIENCE_AT_END_S)
        self._on_event(f"{state} {assignment}")

    def _train_one(self, assignment: Assignment, reports: Heartbeats) -> Callable[[], TrialState]:
        """Carry out a training; return how to report on it."""
        retry, fault = False, Fault.USER
        try:
            outcome = self._train(assignment, reports)
            if outcome.state is not TrialState.FAILED:
                return functools.partial(self._service.tell, assignment, outcome)
            error, fault = outcome.error or "The training failed.", outcome.fault or Fault.USER
        except RetryTrainingError as again:
            error, retry = str(again), True
        except Exception as failure:
            logger.exception("The training of %s raised an exception", assignment)
            error = f"{type(failure).__name__}: {failure}"
            fault = Fault.RESOURCES if is_out_of_memory(failure) else Fault.USER
        if reports.is_cancelled():
            return functools.partial(self._service.give_back, assignment)
        return functools.partial(self._service.fail, assignment, error, retry=retry, fault=fault)

    def _patiently(self, act: Callable[[], T], *, at_end_s: float) -> T:
        """Call until the service answers.

        Args:
            act: a request.
            at_end_s: seconds after which to give up, once the agent is to end.
        """
        started, has_waited = time.monotonic(), False
        while True:
            try:
                return act()
            except StoreUnavailableError as error:
                if not has_waited:
                    self._on_event(f"trying again: {error}")
                has_waited = True
                limit_s = at_end_s if self._stop.is_set() else PATIENCE_S
                if time.monotonic() - started >= limit_s:
                    raise
                self._stop.wait(PAUSE_S)
                if self._stop.is_set():
                    time.sleep(PAUSE_S / 5)
