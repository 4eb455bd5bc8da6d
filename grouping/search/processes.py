"""Executor with processes: each has a worker of its own, and may die without taking anything else along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from grouping.domain.trainings.faults import Fault, LossCause
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, RetryTrainingError, TrainingError
from grouping.search.executors import Ended, Submitted
from grouping.trainers import Trainer, WorkerContext
from grouping.trainers.stack_training import text_of, train_stack

END_S = 5.0
"""Seconds that a process is given to end by itself before it is killed."""


class ProcessExecutor:
    """Trains in processes of their own, started when they are first needed (spawn).

    Args:
        size: number of processes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._idle: list[_Child] = []
        self._busy: list[_Child] = []

    def begin(self, trainer: Trainer, checkpoints: Path | None) -> None:
        """Pickle the setup; a process is sent it before its next training.

        Raises:
            InvalidInputError: if it cannot be pickled.
        """
        try:
            self._payload = pickle.dumps((trainer.setup(), checkpoints))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InvalidInputError(
                f"The setup of the trainer cannot be sent to another process: {error}. Train in threads, or "
                "keep in it what can be pickled."
            ) from error

    def submit(self, submitted: Submitted) -> None:
        """Start a training in an idle process, or in a new one."""
        child = self._idle.pop() if self._idle else _Child.start()
        self._busy.append(child)
        child.begin(self._payload)
        child.train(submitted.number, submitted.requests, submitted.deadline_s)

    def collect(self) -> Sequence[Ended]:
        """Return what ended, waiting for the first.

        Raises:
            TrainingError: if a worker cannot be built or a training raises, with its text.
        """
        while True:
            left = min(child.seconds_left for child in self._busy)
            ready = wait([child.connection for child in self._busy], None if left == float("inf") else left)
            done = [child for child in self._busy if child.connection in ready or child.seconds_left <= 0]
            ended = [end for child in done if (end := self._end_of(child)) is not None]
            if ended:
                return ended

    def _end_of(self, child: _Child) -> Ended | None:
        """Read what a process says; None while its training goes on."""
        if child.connection.poll():
            try:
                kind, value = child.connection.recv()
            except (EOFError, OSError):
                return self._lost(child)
            if kind == "ready":
                child.is_ready = True
                return None
            if kind == "raised":
                raise TrainingError(value)
            self._busy.remove(child)
            self._idle.append(child)
            if kind == "again":
                return Ended(child.number, None, value, LossCause.BY_ITS_WORD)
            return Ended(child.number, value)
        if child.seconds_left > 0:
            return None
        self._busy.remove(child)
        child.end()
        error = f"Ended after {child.deadline_s:g} s, its deadline."
        seconds = child.deadline_s or 0.0
        failed = TrialOutcome(TrialState.FAILED, seconds=seconds, error=error, fault=Fault.DEADLINE)
        return Ended(child.number, (failed,) * child.n_requests)

    def _lost(self, child: _Child) -> Ended:
        self._busy.remove(child)
        child.end()
        code = child.process.exitcode
        if not child.is_ready:
            raise TrainingError(
                f"A worker process ended with exit code {code} before it was ready. Its own output says why; "
                'a script that starts processes needs `if __name__ == "__main__":` around what it does.'
            )
        reason = f"The worker process ended with exit code {code}."
        if code == -signal.SIGKILL:
            reason += " Perhaps memory was short: try fewer workers."
        return Ended(child.number, None, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in (*self._busy, *self._idle):
            child.process.terminate()
        for child in (*self._busy, *self._idle):
            child.end()


@dataclass(eq=False)
class _Child:
    """A worker process, and what it is training."""

    process: BaseProcess
    connection: Connection
    payload: bytes | None = None
    is_ready: bool = False
    number: int = 0
    n_requests: int = 0
    deadline_s: float | None = None
    started_s: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls) -> _Child:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), name="training")
        process.start()
        theirs.close()  # so that the death of the process is read as the end of its answers
        return cls(process, ours)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return (
            float("inf") if self.deadline_s is None else self.started_s + self.deadline_s - time.monotonic()
        )

    def begin(self, payload: bytes) -> None:
        """Have it build a worker from a setup, unless it has that worker."""
        if payload is not self.payload:
            self.payload, self.is_ready = payload, False
            self._send(payload)

    def train(self, number: int, requests: Sequence[TrialRequest], deadline_s: float | None) -> None:
        self.number, self.n_requests = number, len(requests)
        self.deadline_s, self.started_s = deadline_s, time.monotonic()
        self._send(tuple(requests))

    def _send(self, message: bytes | tuple[TrialRequest, ...]) -> None:
        with contextlib.suppress(OSError):  # it died at once: seen when its answer is read
            self.connection.send(message)

    def end(self) -> None:
        """End the process, and wait until it has ended."""
        self.process.terminate()
        self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _work(connection: Connection) -> None:
    """Build workers from the setups that come as bytes, and train what else comes, until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and it ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            message = connection.recv()
            try:
                if isinstance(message, bytes):
                    setup, checkpoints = pickle.loads(message)  # nosec B301 # of our own process
                    worker = setup.build(setup.data, WorkerContext())
                    answer: tuple[str, object] = ("ready", None)
                else:
                    answer = ("trained", train_stack(worker, message, checkpoints))
            except RetryTrainingError as error:
                answer = ("again", str(error))
            except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
                answer = ("raised", f"{text_of(error)}\n\nIn the worker process:\n{traceback.format_exc()}")
            connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
