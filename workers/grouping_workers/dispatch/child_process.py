"""A child process with a pipe, as its parent sees it. Whichever of the two dies, the other notices."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from grouping.errors import WorkerLostError
from grouping_workers.dispatch.messages import Ended

STOP_TIMEOUT_S = 3.0
"""How long each way of ending a process may take; three ways together stay under ten seconds."""


class ChildProcess:
    """A process that runs a function with one end of a pipe. Not thread-safe.

    Args:
        run: the function; called with the pipe and the arguments, in a new interpreter.
        arguments: further arguments, picklable.
        name: name of the process.

    Attributes:
        is_ended: whether it was stopped, or found dead.
    """

    def __init__(self, run: Callable[..., None], arguments: tuple[Any, ...], name: str) -> None:
        self._name = name
        self.is_ended = False
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, *arguments), name=name)
        self._process.start()
        theirs.close()  # so that the child's death ends the pipe

    @property
    def pipe(self) -> Connection:
        """The pipe, to wait for messages of several processes."""
        return self._pipe

    @property
    def process_id(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Send a message; where the process is dead, the next `receive` tells."""
        with contextlib.suppress(OSError):
            self._pipe.send(message)

    def receive(self) -> Any:
        """Return the next message, or None if there is none now.

        Raises:
            WorkerLostError: if the process ended; the text says how.
        """
        try:
            if not self._pipe.poll(0):
                return None
            message = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(message, Ended):
            raise self._lost(message.reason)
        return message

    def stop(self, *, at_once: bool = False) -> None:
        """End the process; safe to call twice.

        Args:
            at_once: whether it is killed without being asked first, as one that hangs.
        """
        self.is_ended = True
        self._pipe.close()  # asks it to end
        if not at_once:
            self._process.join(STOP_TIMEOUT_S)
        for end in (self._process.terminate, self._process.kill)[at_once:]:
            if self._process.is_alive():
                end()
                self._process.join(STOP_TIMEOUT_S)

    def _lost(self, reason: str = "") -> WorkerLostError:
        self._process.join(STOP_TIMEOUT_S)
        code = self._process.exitcode
        self.stop()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return WorkerLostError(f"The {self._name} ended unexpectedly ({reason or how}).")
