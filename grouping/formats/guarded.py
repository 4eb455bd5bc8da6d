"""Guarded reading of untrusted score tables, in a process of its own; see `grouping.guarded_process`.

The process starts in about a tenth of a second, so every format takes this way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grouping.errors import TableFormatError
from grouping.formats.assembly import ImportedTable
from grouping.formats.reader_messages import ReadRequest, decode_answer
from grouping.formats.report import TableFormat, Values
from grouping.formats.source import TableSource
from grouping.guarded_process import ask_guarded

TIME_LIMIT_S = 30.0
TIME_PER_MIB_S = 1.0
"""Wall time of reading a file of any size, and what each MiB of it adds."""
MEMORY_LIMIT_BYTES = 2 * 2**30


def read_table_guarded(
    data: bytes,
    *,
    format: TableFormat | None = None,  # noqa: A002
    values: Values = "losses",
    test: bytes | None = None,
    task_names: Sequence[str] | None = None,
    sizes: Mapping[str, float] | None = None,
    groups: bytes | None = None,
    time_limit_s: float | None = None,
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
        groups: as for `read_table`.
        time_limit_s: wall time of the process; as much as its size allows unless given.
        memory_limit_bytes: address space of the process; the program itself takes a few hundred MB of it.

    Raises:
        TableFormatError: if it is no score table, or reading it takes too much memory or time.
    """
    for content in (data, test, groups):
        if content is not None:
            TableSource.open(content)  # what is too large or of a foreign kind need not be sent
    if time_limit_s is None:
        time_limit_s = TIME_LIMIT_S + TIME_PER_MIB_S * len(data) / 2**20
    request = ReadRequest(data, format, values, test, task_names, sizes, groups).encode()
    answer = ask_guarded(
        "grouping.formats.reader_process",
        request,
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_limit_bytes,
        error=TableFormatError,
    )
    return decode_answer(answer)
