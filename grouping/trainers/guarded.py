"""A process that cannot outlive this one: started through a guard, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from grouping.errors import TrainingError
from grouping.trainers import guard

MAX_LINE = 8192
"""Characters after which a line without end is cut."""
STUCK_S = 15.0
"""Seconds after its time to end after which the guard itself is killed."""


class GuardedProcess:
    """A command under a guard; a context manager that ends all that the command started.

    Args:
        arguments: the program and its arguments; no shell reads them.
        directory: folder that it is started in.
        environment: all of its environment variables.
        grace_s: seconds between SIGTERM and SIGKILL.

    Raises:
        TrainingError: if the folder is not there.
    """

    def __init__(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], grace_s: float = 10.0
    ) -> None:
        self._grace_s = grace_s
        self._program = arguments[0]
        reading, writing = os.pipe()
        own = [sys.executable, "-I", "-S", str(Path(guard.__file__).resolve())]
        try:
            self._guard = subprocess.Popen(
                [*own, str(os.getpid()), str(grace_s), str(writing), *arguments],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            raise TrainingError(
                f"The command cannot be started in {str(directory)!r}: {error.strerror}."
            ) from error
        finally:
            os.close(writing)
        self._guard.wait()  # it leaves the guard behind
        assert self._guard.stdout is not None
        assert self._guard.stderr is not None
        self._streams: dict[str, IO[bytes]] = {
            "status": os.fdopen(reading, "rb"),
            "stdout": self._guard.stdout,
            "stderr": self._guard.stderr,
        }
        self._told: dict[str, str] = {}
        self._buffers = dict.fromkeys(self._streams, b"")
        self._selector = selectors.DefaultSelector()
        for name, stream in self._streams.items():
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, name)
        self._open = set(self._streams)
        self._ending_since: float | None = None

    def __enter__(self) -> GuardedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        for _ in self.lines():
            pass
        if "ended" not in self._told:
            self._kill("started", is_group=True)
        self._selector.close()
        for stream in self._streams.values():
            stream.close()

    @property
    def returncode(self) -> int:
        """Exit status once everything ended; the number of a signal is negative.

        Raises:
            TrainingError: if the command could not be started, or its guard was killed.
        """
        if "failed" in self._told:
            raise TrainingError(
                f"The command {self._program!r} could not be started: {self._told['failed']}."
            )
        if "ended" not in self._told:
            raise TrainingError("The process that guards the command was killed, and the command with it.")
        return int(self._told["ended"])

    def end(self) -> None:
        """Ask that everything ends: SIGTERM, and SIGKILL after the grace time. Returns at once."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
            assert self._guard.stdin is not None
            self._guard.stdin.close()

    def lines(self, tick_s: float = 0.2) -> Iterator[list[tuple[str, str]]]:
        """Yield lines as they come, each with ``stdout`` or ``stderr``, until everything ended.

        Args:
            tick_s: the longest time between two lists, which may be empty.
        """
        while self._open:
            found: list[tuple[str, str]] = []
            for key, _ in self._selector.select(tick_s):
                found += self._read(key.data, key.fileobj)  # type: ignore[arg-type]
            if self._is_over():
                for name in list(self._open):
                    found += self._close(name)
            yield found
            if self._ending_since and time.monotonic() - self._ending_since > self._grace_s + STUCK_S:
                self._kill("guard")

    def _is_over(self) -> bool:
        """Whether the guard is gone and the pipes are empty; a process out of its reach may hold them."""
        return "status" not in self._open and not self._selector.select(0)

    def _read(self, name: str, stream: IO[bytes]) -> list[tuple[str, str]]:
        data = os.read(stream.fileno(), 65_536)
        if not data:
            return self._close(name)
        *lines, rest = (self._buffers[name] + data).split(b"\n")
        while len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._buffers[name] = rest
        return self._take(name, lines)

    def _close(self, name: str) -> list[tuple[str, str]]:
        if name not in self._open:
            return []
        self._open.remove(name)
        self._selector.unregister(self._streams[name])
        rest, self._buffers[name] = self._buffers[name], b""
        return self._take(name, [rest] if rest else [])

    def _take(self, name: str, lines: Sequence[bytes]) -> list[tuple[str, str]]:
        # A carriage return draws over what stands there, as progress bars do: the last state counts.
        texts = [line.decode(errors="replace").rstrip("\r").rpartition("\r")[2] for line in lines]
        if name != "status":
            return [(name, text) for text in texts]
        for text in texts:
            word, _, rest = text.partition(" ")
            self._told[word] = rest
        return []

    def _kill(self, told: str, *, is_group: bool = False) -> None:
        """Kill a process of which the guard told; where the guard was killed, the group of the command."""
        if told in self._told:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                (os.killpg if is_group else os.kill)(int(self._told[told]), signal.SIGKILL)
