"""Tables as bytes: an Arrow file, by whose SHA-256 a table is known."""

# mypy: disable-error-code="attr-defined,no-untyped-call"
# pyarrow has no types, and re-exports what is defined in its C extension.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from grouping.data_sets.images import is_image
from grouping.errors import DataSetError

if TYPE_CHECKING:
    import pandas as pd


def pack(frame: pd.DataFrame) -> bytes:
    """Return a normalised table as an Arrow file; the same table gives the same bytes."""
    import pyarrow as pa

    images = [name for name in frame.columns if is_image(frame[name])]
    table = pa.Table.from_pandas(frame.drop(columns=images), preserve_index=False)
    for name in images:
        pixels = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack(list(frame[name])))
        table = table.append_column(name, pixels)
    table = table.select(list(frame.columns)).replace_schema_metadata(None)
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
    frame = frame_of(table)
    for field in table.schema:
        if pa.types.is_boolean(field.type):  # without missing values Arrow gives plain ones
            frame[field.name] = frame[field.name].astype("boolean")
    return frame


def frame_of(table: Any) -> pd.DataFrame:
    """Convert an Arrow table; of a column of tensors each row has an array.

    Raises:
        DataSetError: if a tensor is missing.
    """
    import pyarrow as pa

    tensors = [field.name for field in table.schema if isinstance(field.type, pa.FixedShapeTensorType)]
    frame: pd.DataFrame = table.drop_columns(tensors).to_pandas()
    for name in tensors:
        if missing := table[name].null_count:
            raise DataSetError(
                f"The column {name!r} has no image in {missing:,} rows: leave these out of the file."
            )
        arrays = [row for chunk in table[name].chunks for row in chunk.to_numpy_ndarray()]
        frame.insert(table.column_names.index(name), name, arrays)
    return frame
