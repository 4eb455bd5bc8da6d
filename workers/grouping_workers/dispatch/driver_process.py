"""The dispatcher's side of the pipe: starts the driver process, talks to it, notices its death."""

from __future__ import annotations

import logging
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from grouping.errors import WorkerLostError
from grouping_workers.messages import Answer, Ended, Order
from grouping_workers.settings import DriverSettings

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 3.0
"""How long each way of ending the driver may take; three ways together stay under ten seconds."""


class DriverProcess:
    """A driver process, started at the first order and again after its death. Not thread-safe.

    Args:
        settings: settings of the driver; a local cluster unless given.
    """

    def __init__(self, settings: DriverSettings | None = None) -> None:
        self.settings = settings or DriverSettings()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    @property
    def process_id(self) -> int | None:
        """Process id of the driver, None while it is not started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the driver unless it runs; returns before Ray is ready."""
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, self.settings), name="grouping-driver")
        self._process.start()
        theirs.close()  # so that the driver's death ends the pipe
        self._pipe = ours

    def send(self, order: Order) -> None:
        """Send an order, starting the driver if need be.

        Raises:
            WorkerLostError: if the driver died.
        """
        self.start()
        assert self._pipe is not None
        try:
            self._pipe.send(order)
        except OSError as error:
            raise self._lost() from error

    def receive(self, timeout_s: float) -> Answer | None:
        """Return the next answer, or None if none came in time.

        Raises:
            WorkerLostError: if the driver died; everything it was asked for is lost.
        """
        if self._pipe is None:
            raise WorkerLostError("The Ray driver is not running.")
        try:
            if not self._pipe.poll(timeout_s):
                return None
            answer: Answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(answer, Ended):
            raise self._lost(answer.reason)
        return answer

    def stop(self) -> None:
        """End the driver and everything it started; safe to call twice."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()  # asks it to end
        if process is None:
            return
        process.join(STOP_TIMEOUT_S)
        for end in (process.terminate, process.kill):
            if process.is_alive():
                end()
                process.join(STOP_TIMEOUT_S)
        process.close()

    def _lost(self, reason: str = "") -> WorkerLostError:
        process = self._process
        if process is not None:
            process.join(STOP_TIMEOUT_S)
        code = None if process is None else process.exitcode
        self.stop()
        details = reason or f"exit status {code}"
        return WorkerLostError(f"The Ray driver ended unexpectedly ({details}).")


def _run(pipe: Connection, settings: DriverSettings) -> None:
    # Imported in the child only: the dispatcher itself needs neither torch nor Ray.
    from grouping_workers.on_ray.driver import run_driver

    run_driver(pipe, settings)
