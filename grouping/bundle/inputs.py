"""Inputs of a bundle: what rows it reads, how they are checked, and the numbers that networks are given.

Columns are read as they were when the table was stored: numbers, truth values, times in UTC, texts, images.
A missing value is no error: a number is filled by the median of the training rows. Neither is a category that
was never seen: it counts as other, or as none of those that were.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets.columns import ColumnKind, normalised
from grouping.data_sets.features import FittedInputs
from grouping.data_sets.images import checked_images, shape_text
from grouping.errors import BundleError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 5


class Inputs(ABC):
    """What the rows of a bundle are, and how they become inputs of its networks."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Width of the inputs."""

    @abstractmethod
    def of(self, rows: Any) -> NDArray[np.float32]:
        """Return the inputs of rows, ``[rows, n_features]``.

        Raises:
            InvalidInputError: if the rows are not what the bundle reads; says which column and why.
        """

    @abstractmethod
    def as_mapping(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""

    @staticmethod
    def from_mapping(data: Mapping[str, Any]) -> Inputs:
        """Invert `as_mapping`.

        Raises:
            BundleError: if it says what is not known here.
        """
        kind = data.get("kind")
        if kind == "array":
            return ArrayInputs(int(data["n_features"]))
        if kind == "table":
            return TableInputs(FittedInputs.from_mapping(data["fitted"]))
        raise BundleError(f"The bundle reads inputs of the kind {kind!r}, which this version does not know.")


@dataclass(frozen=True, slots=True)
class ArrayInputs(Inputs):
    """Rows of numbers, as an installed problem makes them.

    Attributes:
        width: numbers of a row.
    """

    width: int

    @property
    def n_features(self) -> int:
        """Width of the inputs."""
        return self.width

    def of(self, rows: Any) -> NDArray[np.float32]:
        """Return the rows as float32; see `Inputs.of`."""
        try:
            array = np.asarray(rows, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"The rows are no numbers: {error}") from error
        if array.ndim != 2 or array.shape[1] != self.width:
            shape = " x ".join(map(str, array.shape)) or "a single number"
            raise InvalidInputError(
                f"This bundle reads rows of {self.width} numbers, [rows, {self.width}], not {shape}."
            )
        if not np.isfinite(array).all():
            raise InvalidInputError("The rows hold missing or infinite numbers: fill or drop those rows.")
        return np.ascontiguousarray(array)

    def as_mapping(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {"kind": "array", "n_features": self.width}


@dataclass(frozen=True, slots=True)
class TableInputs(Inputs):
    """Columns of a table.

    Attributes:
        fitted: how they become inputs, fitted to the training rows.
    """

    fitted: FittedInputs

    @property
    def n_features(self) -> int:
        """Width of the inputs."""
        return len(self.fitted.names) if self.fitted.images is None else self.fitted.images.width

    @property
    def kinds(self) -> Mapping[str, ColumnKind]:
        """Kind of each column that is read, by its name and in order."""
        kinds = {column.column: column.kind for column in self.fitted.columns}
        if self.fitted.texts is not None:
            kinds |= dict.fromkeys(self.fitted.texts.columns, ColumnKind.TEXT)
        if self.fitted.images is not None:
            kinds[self.fitted.images.column] = ColumnKind.IMAGE
        return kinds

    def of(self, rows: Any) -> NDArray[np.float32]:
        """Return the inputs of a table, which may have further columns; see `Inputs.of`.

        Args:
            rows: a data frame, or what pandas makes one of, such as a list of dictionaries.
        """
        import pandas as pd

        try:
            frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"The rows make no table: {error}. Give a data frame, or a list with a dictionary for each "
                "row."
            ) from error
        if missing := [name for name in self.kinds if name not in frame.columns]:
            raise InvalidInputError(
                f"The table lacks {'the column' if len(missing) == 1 else 'columns'} {_named(missing)}. This "
                f"bundle reads {_named(list(self.kinds), most=50)}."
            )
        if twice := [name for name in self.kinds if list(frame.columns).count(name) > 1]:
            raise InvalidInputError(f"The table has the column {_named(twice)} twice.")
        if not len(frame):
            return np.empty((0, self.n_features), dtype=np.float32)
        columns = {name: self._column(frame[name], name, kind) for name, kind in self.kinds.items()}
        with np.errstate(over="ignore"):  # told below
            inputs = self.fitted.apply(pd.DataFrame(columns, index=frame.index))
        if not np.isfinite(inputs).all():
            n = int(np.flatnonzero(~np.isfinite(inputs).all(axis=0))[0])
            raise InvalidInputError(
                f"The input {self.fitted.names[n]!r} has a number too large for 32 bits: correct it, or "
                "leave it out as missing."
            )
        return inputs

    def _column(self, series: pd.Series[Any], name: str, kind: ColumnKind) -> pd.Series[Any]:
        try:
            if kind is ColumnKind.IMAGE:
                return self._images(series)
            return _READERS[kind](series)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputError(f"The column {name!r} is to hold {_WORDS[kind]}: {error}.") from error

    def _images(self, series: pd.Series[Any]) -> pd.Series[Any]:
        images = self.fitted.images
        if images is None or not isinstance(series.iloc[0], np.ndarray):
            raise TypeError("it holds no arrays")
        checked = checked_images(series)
        if checked.iloc[0].shape != images.shape:
            wanted = " x ".join(map(str, images.shape))
            raise ValueError(f"they are {shape_text(checked.iloc[0])}, and {wanted} is read")
        return checked

    def as_mapping(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        columns = [{"name": name, "kind": kind} for name, kind in self.kinds.items()]
        return {"kind": "table", "columns": columns, "fitted": self.fitted.as_mapping()}


def _numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    from pandas.api import types

    read = normalised(series)
    if types.is_numeric_dtype(read.dtype) or types.is_bool_dtype(read.dtype) or read.isna().all():
        return read if types.is_numeric_dtype(read.dtype) else read.astype("Float64")
    raise TypeError(f"it holds {_example(read)}")


def _times(series: pd.Series[Any]) -> pd.Series[Any]:
    from pandas.api import types

    read = normalised(series)
    if read.isna().all():
        return read.astype("object").astype("datetime64[us]")
    if not types.is_datetime64_any_dtype(read.dtype):
        raise TypeError(f"it holds {_example(read)}")
    return read


def _values(series: pd.Series[Any]) -> pd.Series[Any]:
    """Read categories and texts: texts stay as they are, also where they look like times."""
    known = series.dropna()
    if len(known) and all(isinstance(value, str) for value in known):
        texts = series.astype("str").str.strip()
        return texts.mask(series.isna() | (texts == ""))
    return normalised(series)


_READERS = {
    ColumnKind.NUMBER: _numbers,
    ColumnKind.BOOLEAN: _numbers,
    ColumnKind.DATE: _times,
    ColumnKind.CATEGORY: _values,
    ColumnKind.TEXT: _values,
}
_WORDS = {
    ColumnKind.NUMBER: "numbers",
    ColumnKind.BOOLEAN: "numbers or truth values",
    ColumnKind.DATE: "times, such as 2024-05-31",
    ColumnKind.CATEGORY: "categories",
    ColumnKind.TEXT: "texts",
    ColumnKind.IMAGE: "images",
}


def _example(series: pd.Series[Any]) -> str:
    return repr(series.dropna().iloc[0])[:60]


def _named(names: Sequence[str], most: int = MOST_NAMED) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
