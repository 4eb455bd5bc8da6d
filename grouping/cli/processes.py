"""Child processes of the service on one machine: started, restarted when they die, ended together.

A child's standard input is a pipe from this process. When this process ends in any way, the pipe closes
and the child ends too, so that no orphan keeps a port or a job.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

RESTART_DELAY_S = 1.0
STOP_TIMEOUT_S = 30.0
LIFELINE = "GROUPING_LIFELINE"
"""Environment variable that tells a child to end when its standard input does."""


def end_with_parent(stop: Callable[[], None]) -> None:
    """Call `stop` in a child when its parent is gone; do nothing in a process started by hand."""
    if os.environ.get(LIFELINE) != "1":
        return

    def watch() -> None:
        while os.read(0, 1024):
            pass
        stop()

    threading.Thread(target=watch, daemon=True).start()


class Child:
    """A child process that runs a command of the command line.

    Args:
        name: name of the process in messages.
        arguments: arguments of the command `grouping`, which imports nothing from the present folder.
        environment: environment variables of the process.
        log: file that its output is appended to.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-P", "-m", "grouping.cli", *arguments]
        self._environment = {**environment, LIFELINE: "1"}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def process_id(self) -> int | None:
        """Process id, None before the start."""
        return None if self._process is None else self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process."""
        self._started = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch(mode=0o600)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def revive(self) -> None:
        """Start the process again if it died, at most once in `RESTART_DELAY_S`."""
        if self._process is None or self._process.poll() is None:
            return
        if time.monotonic() - self._started < RESTART_DELAY_S:
            return
        status = self._process.returncode
        typer.echo(
            f"The {self.name} ended with status {status}; starting it again. Its output: {self.log}",
            err=True,
        )
        self._close()
        self.start()

    def ask_to_end(self) -> None:
        """Ask the process to end."""
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        """Wait until the process has ended, and kill it after a while."""
        if self._process is None:
            return
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def stop_together(children: Sequence[Child]) -> None:
    """Ask processes to end, all at once, and wait until they have."""
    for child in children:
        child.ask_to_end()
    for child in children:
        child.wait()
