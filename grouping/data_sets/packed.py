"""Tables as bytes: an Arrow file, by whose SHA-256 a table is known."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

from __future__ import annotations

from typing import TYPE_CHECKING

from grouping.errors import DataSetError

if TYPE_CHECKING:
    import pandas as pd


def pack(frame: pd.DataFrame) -> bytes:
    """Return a normalised table as an Arrow file; the same table gives the same bytes."""
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def unpack(data: bytes) -> pd.DataFrame:
    """Invert `pack`.

    Raises:
        DataSetError: if it is no Arrow file.
    """
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataSetError(f"The table is no sound Arrow file: {error}") from error
    frame: pd.DataFrame = table.to_pandas()
    for field in table.schema:
        if pa.types.is_boolean(field.type):  # without missing values Arrow gives plain ones
            frame[field.name] = frame[field.name].astype("boolean")
    return frame
