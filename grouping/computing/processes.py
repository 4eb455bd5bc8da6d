"""Calls that are carried out in processes of their own; see `grouping.computing.server`."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

from grouping.computing.messages import Answer, Call, Failed, Item, Raised, receive, send
from grouping.errors import DeadlineExceededError, SolverError
from grouping.guarded_process import child_environment, command_of
from grouping.work import Work

START_LIMIT_S = 60.0
"""Seconds that a process may take to begin, on a machine that is busy with other things."""
_LOG = logging.getLogger(__name__)


class CallFailedError(Exception):
    """A call failed in its process by mistake; its trace is in the log."""


class Processes:
    """Maker of processes that carry out one call each; safe to use from any thread.

    Args:
        modules: what the calls need, imported once for all of them.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Start what makes the processes, unless it runs; otherwise the first call does, and takes longer."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End it, and on Linux what it carries out; another call starts it again."""
        with self._lock:
            self._end()

    def call(self, call: Call, work: Work, *, grace_s: float) -> Any:
        """Carry out a call; see `each`."""
        *_, last = self._answers(call, work, grace_s)
        return last.value

    def each(self, call: Call, work: Work, *, grace_s: float) -> Iterator[Any]:
        """Carry out a call and yield what it yields; its process ends when this iterator does.

        Args:
            call: the call.
            work: the work that it belongs to; the process is killed when that is given up.
            grace_s: wall time that it may take beyond what is left of the work's.

        Raises:
            GroupingError: what the function raises.
            DeadlineExceededError: if it takes too long.
            SolverError: if it takes too much memory, or its process dies.
            GivenUpError: if the work was given up.
        """
        for answer in self._answers(call, work, grace_s):
            if isinstance(answer, Item):
                yield answer.value

    def _answers(self, call: Call, work: Work, grace_s: float) -> Iterator[Any]:
        connection, process_id = self._begun()
        kill = functools.partial(_kill, process_id)
        answer: Answer | None = None
        with contextlib.closing(connection), work.ending_with(kill):
            try:
                send(connection, call)
                while answer is None or isinstance(answer, Item):
                    connection.settimeout(work.left_s + grace_s)
                    answer = receive(connection)
                    yield _checked(answer)
            except TimeoutError as error:
                raise DeadlineExceededError(work.limit_s) from error
            except (EOFError, BrokenPipeError) as error:
                work.check()
                raise SolverError(
                    "The process that computed this ended, for want of memory or time; ask for less."
                ) from error
            finally:
                if answer is None or isinstance(answer, Item):  # else it ends by itself
                    kill()

    def _begun(self) -> tuple[socket.socket, int]:
        """Return a connection to a new process, and its number.

        Raises:
            SolverError: if there is none.
        """
        for _ in range(2):
            ours, theirs = socket.socketpair()
            ours.settimeout(START_LIMIT_S)
            control = None
            try:
                with theirs, self._lock:
                    control = self._running()
                    socket.send_fds(control, [b"+"], [theirs.fileno()])
                return ours, receive(ours)
            except (ConnectionError, EOFError):  # what makes them was killed, and is started again
                ours.close()
                with self._lock:
                    if self._control is control:
                        self._end()
            except TimeoutError:
                ours.close()
                break
        raise SolverError("A process that computes could not be started; see the log of the service.")

    def _running(self) -> socket.socket:
        """Return the connection to what makes the processes, which is started unless it runs."""
        if self._control is None or self._server is None or self._server.poll() is not None:
            self._end()
            self._control, theirs = socket.socketpair()
            with theirs:
                self._server = subprocess.Popen(
                    (*command_of("grouping.computing.server"), *self._modules),
                    stdin=theirs.fileno(),
                    env=child_environment(),
                    start_new_session=True,
                )
        return self._control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.kill()  # it keeps nothing
            self._server.wait()
        self._control = self._server = None


def _checked(answer: Answer) -> Answer:
    """Return an answer that is one.

    Raises:
        GroupingError: what the function raised.
        SolverError: if it needed too much memory.
        CallFailedError: if it failed by mistake.
    """
    if isinstance(answer, Raised):
        raise answer.error()
    if isinstance(answer, Failed):
        _LOG.error("A call failed in its process: %s", answer.trace)
        if answer.is_out_of_memory:
            raise SolverError("This needs more memory than one request may have. Ask for less.")
        raise CallFailedError
    return answer


def _kill(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


@functools.cache
def shared_processes(*modules: str) -> Processes:
    """Return the maker of processes with these modules that this program has."""
    made = Processes(*modules)
    atexit.register(made.close)
    return made
