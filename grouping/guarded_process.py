"""A process with limits, for reading what is not trusted.

A file can be made so that a reader takes all memory or all time, or crashes, however carefully it counts
first: the size that a Parquet file declares may be false. The process has limits on address space and time,
and an environment of its own, without the settings and secrets of this one; however it ends, this one gets an
answer or an error. It starts in about a tenth of a second.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from grouping.errors import InvalidInputError, OverloadedError
from grouping.work import current_work

TOO_MUCH_MEMORY = "The file needs too much memory to be read. Split it, or write it in another format."
TOO_MUCH_TIME = "The file takes too long to be read. Split it, or write it in another format."
TOO_BUSY = "This machine is too busy to read the file in time. Send it again later."
NICENESS = 2
"""Reading and computing yield to what answers requests on the same processors, and less than trainings do."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of a process whose linear algebra has one thread: several wait for each other where processors
are busy, and round otherwise than one does.
"""
_LIMITED = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve address space that they do not use
    "MALLOC_ARENA_MAX": "1",
    **ONE_THREAD,
}
_LOG = logging.getLogger(__name__)


def ask_guarded(
    module: str,
    request: bytes,
    *,
    time_limit_s: float,
    memory_limit_bytes: int,
    error: Callable[[str], InvalidInputError],
) -> bytes:
    """Run a module, whose `main` calls `answer_guarded`, and return its answer.

    Args:
        module: dotted name of the module.
        request: what it reads.
        time_limit_s: wall time of the process.
        memory_limit_bytes: address space of the process; the program itself takes a few hundred MB of it.
        error: makes the error to raise from its message.

    Raises:
        InvalidInputError: what `error` makes, if it takes too much memory or time, or does not answer.
        OverloadedError: if it did not have its time since the machine is busy with other things.
        GivenUpError: if the current work was given up.
    """
    limits = (str(memory_limit_bytes), str(math.ceil(time_limit_s) + 1))
    with (
        subprocess.Popen(
            (*command_of(module), *limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
        ) as process,
        current_work().ending_with(process.kill),
    ):
        try:
            answer, complaint = process.communicate(request, timeout=time_limit_s)
        except subprocess.TimeoutExpired as expired:
            if _used_s(process) < time_limit_s / 2:
                raise OverloadedError(TOO_BUSY, retry_after_s=math.ceil(time_limit_s)) from expired
            raise error(TOO_MUCH_TIME) from expired
        finally:
            process.kill()
        status = process.returncode
        if status == 0:
            return answer
        if status == -signal.SIGXCPU:
            raise error(TOO_MUCH_TIME)
        _LOG.error("%s ended with %d: %s", module, status, complaint.decode(errors="replace")[-2000:])
        if status < 0:  # out of memory where nothing can be caught, mostly
            raise error(TOO_MUCH_MEMORY)
        raise error("The file could not be read, for a reason that stands in the log of the service.")


def _used_s(process: subprocess.Popen[bytes]) -> float:
    """End a process and return the processor time that it has used."""
    process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def command_of(module: str) -> tuple[str, ...]:
    """Return the command that runs a module, without regard to this folder and to variables for Python."""
    return (sys.executable, "-I", "-m", module)


def answer_guarded(answer: Callable[[bytes], bytes]) -> None:
    """Limit this process as its arguments say, read the request, write the answer."""
    import resource  # not on every system, and needed by this side only

    memory_bytes, time_s = map(int, sys.argv[1:])
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (time_s, time_s))  # holds even when the parent is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))


def child_environment() -> dict[str, str]:
    """Return the environment of a process that computes: one thread, and no setting or secret of this one."""
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return _LIMITED | ({} if libraries is None else {"LD_LIBRARY_PATH": libraries})
