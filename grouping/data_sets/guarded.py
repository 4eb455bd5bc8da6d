"""Guarded reading of tables that are not trusted; see `grouping.guarded_process`."""

from __future__ import annotations

import json

from grouping.data_sets.reading import is_table_file, read_frame
from grouping.errors import DataSetError
from grouping.guarded_process import ask_guarded

TIME_LIMIT_S = 300.0
MEMORY_LIMIT_BYTES = 8 * 2**30


def read_packed_guarded(
    data: bytes,
    file_name: str,
    *,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> bytes:
    """Read a table like `read_frame`, in a process with limits, and return it packed.

    Args:
        data: content of the file.
        file_name: its name; the suffix says the format.
        time_limit_s: wall time of the process.
        memory_limit_bytes: address space of the process.

    Raises:
        DataSetError: if it is no table, or reading it takes too much memory or time.
    """
    if not is_table_file(file_name):
        read_frame(b"", file_name)  # says which there are
    answer = ask_guarded(
        "grouping.data_sets.reader_process",
        json.dumps(file_name).encode() + b"\n" + data,
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_limit_bytes,
        error=DataSetError,
    )
    head, _, table = answer.partition(b"\n")
    if (refusal := json.loads(head)) is not None:
        raise DataSetError(refusal)
    return table
