"""Guard of one command: a small process that ends the command, and all that it started, with its parent.

    python -I -S guard.py PARENT GRACE STATUS COMMAND [ARGUMENT]...

It is started as a file and imports the standard library only, so that it costs some milliseconds. ``PARENT``
is the process id of what started it, ``GRACE`` the seconds between SIGTERM and SIGKILL, ``STATUS`` an
inherited file descriptor. It writes lines there: ``guard PID``, ``started PID``, then ``ended STATUS``
(negative for a signal), or ``failed REASON`` if the command could not be started.

What is started ends at once and leaves the guard behind, which is nobody's child then: Ray kills the children
of a worker that ends. The tree of the command ends when the guard's standard input does, which its parent
closes; when the parent is gone; on SIGTERM; and when the command itself has ended. The guard adopts
processes whose parent ended (PR_SET_CHILD_SUBREAPER, Linux), so those count that left the group or the
session. Elsewhere the group of the command is ended.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.02
KILL_S = 10.0
"""Seconds for which processes are killed again and again; one that the kernel holds stays longer."""


def main(arguments: Sequence[str]) -> None:
    """Run the command and end all that is left of it."""
    parent, grace_s, status = int(arguments[0]), float(arguments[1]), int(arguments[2])
    os.set_inheritable(status, False)
    parent_gone = _watch(parent)
    if os.getppid() != parent or os.fork():
        return
    os.write(status, f"guard {os.getpid()}\n".encode())
    woken = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    _control_process(PR_SET_CHILD_SUBREAPER, 1)
    child = _start(arguments[3:], status)
    os.write(status, f"started {child}\n".encode())
    returncode = _wait(child, woken, parent_gone)
    _end_tree(child, grace_s)
    if returncode is None:
        returncode = _ended.get(child, -signal.SIGKILL)
    os.write(status, f"ended {returncode}\n".encode())


_ended: dict[int, int] = {}
"""Exit status of each process that was waited for."""


def _watch(process: int) -> list[int]:
    """Return a file descriptor that becomes readable when the process ends; none where there is no such."""
    try:
        return [os.pidfd_open(process)]
    except (AttributeError, OSError):
        return []


def _control_process(option: int, value: int) -> None:
    """Call prctl where there is one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wake_on(*signals: int) -> int:
    """Return a file descriptor that becomes readable, with the number of the signal, at each of them."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return reading


def _start(command: Sequence[str], status: int) -> int:
    """Start the command in a session of its own, without input; return its process id."""
    guard = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        _control_process(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(status, f"failed {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait(child: int, woken: int, parent_gone: list[int]) -> int | None:
    """Return the exit status of the command once it ends, or None when it is to be ended."""
    while True:
        _reap()
        if child in _ended:
            return _ended[child]
        readable, _, _ = select.select([0, woken, *parent_gone], [], [])
        if any(watched in readable for watched in parent_gone):
            return None
        if 0 in readable and not os.read(0, 1024):
            return None
        if woken in readable and any(number != signal.SIGCHLD for number in os.read(woken, 1024)):
            return None


def _end_tree(child: int, grace_s: float) -> None:
    """Ask every process that is left to end, and kill what is there after a while."""
    _signal_all(child, signal.SIGTERM)
    if not _wait_for_all(child, grace_s):
        deadline = time.monotonic() + KILL_S
        while time.monotonic() < deadline:
            _signal_all(child, signal.SIGKILL)
            if _wait_for_all(child, POLL_S):
                break


def _wait_for_all(child: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while _left(child):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _signal_all(child: int, number: int) -> None:
    for process in _left(child):
        try:
            os.kill(process, number)
        except (ProcessLookupError, PermissionError):
            continue


def _left(child: int) -> list[int]:
    """Return the processes that are left; a negative number is the group of the command."""
    _reap()
    if Path("/proc/self/stat").exists():
        return _descendants()
    try:
        os.killpg(child, 0)
    except OSError:
        return []
    return [-child]


def _reap() -> None:
    """Wait for every child that has ended."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        _ended[process] = os.waitstatus_to_exitcode(status)


def _descendants() -> list[int]:
    """Return every living process below this one, by /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name of the program, in brackets, may hold anything.
                state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            except (OSError, ValueError):  # it has just ended
                continue
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(folder.name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
