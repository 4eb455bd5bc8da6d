"""A child process with a pipe, as its parent sees it. Whichever of the two dies, the other notices."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from grouping.errors import WorkerLostError
from grouping_workers.dispatch.messages import ProcessEnded

STOP_TIMEOUT_S = 3.0
"""How long each way of ending a process may take; three ways together stay under ten seconds."""


class ChildProcess:
    """A process that runs a function with one end of a pipe. Not thread-safe.

    Args:
        run: the function; called with the pipe and the arguments, in a new interpreter.
        arguments: further arguments, picklable.
        name: name of the process.
        environment: environment variables that it has beside those of this process, or in their place.

    Attributes:
        is_ended: whether it was stopped, or found dead.
    """

    def __init__(
        self,
        run: Callable[..., None],
        arguments: tuple[Any, ...],
        name: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self.is_ended = False
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, *arguments), name=name)
        with _environment(environment or {}):
            self._process.start()
        self._process_id = self._process.pid
        self._exit_code: int | None = None
        theirs.close()  # so that the child's death ends the pipe

    @property
    def pipe(self) -> Connection:
        """The pipe, to wait for messages of several processes."""
        return self._pipe

    @property
    def process_id(self) -> int | None:
        """Its process id."""
        return self._process_id

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
        if isinstance(message, ProcessEnded):
            raise self._lost(message.reason)
        return message

    def stop(self, *, at_once: bool = False) -> None:
        """End the process; safe to call twice.

        Args:
            at_once: whether it is killed without being asked first, as one that hangs.
        """
        if self.is_ended:
            return
        self.is_ended = True
        self._pipe.close()  # asks it to end
        if not at_once:
            self._process.join(STOP_TIMEOUT_S)
        for end in (self._process.terminate, self._process.kill)[at_once:]:
            if self._process.is_alive():
                end()
                self._process.join(STOP_TIMEOUT_S)
        self._exit_code = self._process.exitcode
        if self._exit_code is not None:
            self._process.close()  # frees its descriptors, whoever still holds this object

    def _lost(self, reason: str = "") -> WorkerLostError:
        if not self.is_ended:
            self._process.join(STOP_TIMEOUT_S)
        code = self._exit_code if self.is_ended else self._process.exitcode
        self.stop()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return WorkerLostError(f"The {self._name} ended unexpectedly ({reason or how}).")


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while: a new interpreter takes over those of its parent."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
