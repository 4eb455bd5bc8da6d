"""Guarded reading of untrusted score tables, in a process of its own.

A file can be made so that a reader takes all memory or all time, or crashes, however carefully it counts
first: the size that a Parquet file declares may be false. The process has limits on address space and time,
and an environment of its own, without the settings and secrets of this one; however it ends, this one gets a
table or an error. It starts in about a tenth of a second, so every format takes this way.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from grouping.errors import TableFormatError
from grouping.formats.assembly import ImportedTable
from grouping.formats.reader_messages import ReadRequest, decode_answer
from grouping.formats.report import TableFormat, Values
from grouping.formats.source import Source

TIME_LIMIT_S = 30.0
MEMORY_LIMIT_BYTES = 2 * 2**30
TOO_MUCH_MEMORY = "The file needs too much memory to be read. Split it, or write it in another format."
TOO_MUCH_TIME = "The file takes too long to be read. Split it, or write it in another format."

_COMMAND = (sys.executable, "-I", "-m", "grouping.formats.reader_process")
_ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve address space that they do not use
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_LOG = logging.getLogger(__name__)


def read_table_guarded(
    data: bytes,
    *,
    format: TableFormat | None = None,  # noqa: A002
    values: Values = "losses",
    test: bytes | None = None,
    task_names: Sequence[str] | None = None,
    sizes: Mapping[str, float] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> ImportedTable:
    """Read untrusted bytes like `read_table`, in a process with limits; same answers, same errors.

    Args:
        data: the content of a file, or pasted text.
        format: as for `read_table`.
        values: as for `read_table`.
        test: as for `read_table`.
        task_names: as for `read_table`.
        sizes: as for `read_table`.
        time_limit_s: wall time of the process.
        memory_limit_bytes: address space of the process; the program itself takes a few hundred MB of it.

    Raises:
        TableFormatError: if it is no score table, or reading it takes too much memory or time.
    """
    for content in (data, test):
        if content is not None:
            Source.open(content)  # what is too large or of a foreign kind need not be sent
    request = ReadRequest(data, format, values, test, task_names, sizes).encode()
    limits = (str(memory_limit_bytes), str(math.ceil(time_limit_s) + 1))
    with subprocess.Popen(
        (*_COMMAND, *limits),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    ) as process:
        try:
            answer, complaint = process.communicate(request, timeout=time_limit_s)
        except subprocess.TimeoutExpired as error:
            raise TableFormatError(TOO_MUCH_TIME) from error
        finally:
            process.kill()
    if process.returncode == 0:
        return decode_answer(answer)
    if process.returncode == -signal.SIGXCPU:
        raise TableFormatError(TOO_MUCH_TIME)
    _LOG.error(
        "The reader of score tables ended with %d: %s",
        process.returncode,
        complaint.decode(errors="replace")[-2000:],
    )
    if process.returncode < 0:  # out of memory where nothing can be caught, mostly
        raise TableFormatError(TOO_MUCH_MEMORY)
    raise TableFormatError("The file could not be read, for a reason that stands in the log of the service.")


def _environment() -> dict[str, str]:
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return _ENVIRONMENT | ({} if libraries is None else {"LD_LIBRARY_PATH": libraries})
