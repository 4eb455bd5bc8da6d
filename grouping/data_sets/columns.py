"""Columns of a table: what kind each has, how much is missing, and what it could be as a target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets.images import checked_images, digests, is_image, shape_text

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 100
"""Classes of one target."""
MOST_CATEGORIES = 1_000
"""Different texts of a column that counts as a category; a column of more is free text."""
LONGEST_CATEGORY = 100
FEW_NUMBERS = 20
"""A column of whole numbers with so many different ones is proposed as a target of classes."""
N_EXAMPLES = 3
SHARE_THAT_LOOKS = 0.9
"""Share of the texts of a column that look like numbers or dates from which it counts as meant so."""
_LOOKS = {
    "dates": r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([ T].*)?",
    "numbers": r"[-+]?[€$£]?\s?\d[\d.,' ]*\s?[%€$£]?",
}
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


class ColumnKind(StrEnum):
    """Kind of a column, which says how it becomes inputs of a network."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "text"
    IMAGE = "image"
    EMPTY = "empty"


NO_TARGETS = (ColumnKind.TEXT, ColumnKind.DATE, ColumnKind.EMPTY, ColumnKind.IMAGE)


class TargetKind(StrEnum):
    """What a target is."""

    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    """Several columns of two values each, as one target."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a stored table.

    Attributes:
        name: name of the column, unique within its table.
        kind: kind of its values.
        n_missing: number of rows without a value.
        n_distinct: number of different values.
        examples: first few different values, as text.
        is_whole: whether it holds whole numbers only.
    """

    name: str
    kind: ColumnKind
    n_missing: int
    n_distinct: int
    examples: tuple[str, ...]
    is_whole: bool = False

    @property
    def as_target(self) -> TargetKind | None:
        """Kind that it has as a target unless another is named; None where it can be none."""
        if self.kind in NO_TARGETS or self.n_distinct < 2:
            return None
        if self.n_distinct == 2:
            return TargetKind.BINARY
        if self.kind is ColumnKind.CATEGORY:
            return TargetKind.MULTICLASS if self.n_distinct <= MOST_CLASSES else None
        is_coded = self.is_whole and self.n_distinct <= FEW_NUMBERS
        return TargetKind.MULTICLASS if is_coded else TargetKind.REGRESSION


def normalised(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column in a type that is stored: numbers, truth values, times in UTC, texts or images.

    Raises:
        TypeError: if it holds lists, bytes or other values.
    """
    import pandas as pd
    from pandas.api import types

    if is_image(series):
        return checked_images(series)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if types.is_bool_dtype(series.dtype):
        return series.astype("boolean")
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        is_whole = types.is_integer_dtype(series.dtype) and not series.isna().any()
        kept = is_whole and not types.is_unsigned_integer_dtype(series.dtype)
        numbers = series.astype("int64" if kept else "float64")
        return numbers if kept else numbers.where(np.isfinite(numbers))
    if types.is_datetime64_any_dtype(series.dtype):
        return pd.to_datetime(series, utc=True).dt.tz_localize(None).astype("datetime64[us]")
    known = series.dropna()
    values = set(map(type, known))
    if values and values <= {bool, np.bool_}:
        return series.astype("boolean")
    if not values <= {str}:
        numbers = pd.to_numeric(known, errors="coerce")
        if numbers.isna().any():
            raise TypeError(", ".join(sorted(kind.__name__ for kind in values)))
        return pd.to_numeric(series, errors="coerce").astype("float64")
    texts = series.astype("str").str.strip()
    texts = texts.mask(series.isna() | (texts == ""))
    if len(known) and all(_ISO_DATE.fullmatch(text) for text in texts.dropna()):
        times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
        if times.notna().equals(texts.notna()):
            return times.dt.tz_localize(None).astype("datetime64[us]")
    return texts


def describe(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Describe every column of a normalised table."""
    return tuple(_describe(str(name), frame[name]) for name in frame.columns)


def _describe(name: str, series: pd.Series[Any]) -> Column:
    if is_image(series):
        return Column(name, ColumnKind.IMAGE, 0, digests(series).nunique(), (shape_text(series.iloc[0]),))
    known = series.dropna()
    distinct = known.unique()
    examples = tuple(texts_of(known.iloc[:1000].drop_duplicates()[:N_EXAMPLES]))
    is_whole = bool(len(known)) and is_number(series) and bool((known == np.floor(known)).all())
    kind = _kind_of(series, known, len(distinct))
    return Column(name, kind, int(series.isna().sum()), len(distinct), examples, is_whole)


def _kind_of(series: pd.Series[Any], known: pd.Series[Any], n_distinct: int) -> ColumnKind:
    from pandas.api import types

    if not len(known):
        return ColumnKind.EMPTY
    if types.is_bool_dtype(series.dtype):
        return ColumnKind.BOOLEAN
    if types.is_numeric_dtype(series.dtype):
        return ColumnKind.NUMBER
    if types.is_datetime64_any_dtype(series.dtype):
        return ColumnKind.DATE
    is_short = max(map(len, known)) <= LONGEST_CATEGORY
    repeats = n_distinct <= max(2, len(known) // 2)
    is_category = is_short and repeats and n_distinct <= MOST_CATEGORIES
    return ColumnKind.CATEGORY if is_category else ColumnKind.TEXT


def is_number(series: pd.Series[Any]) -> bool:
    """Tell whether a normalised column holds numbers; truth values are none."""
    from pandas.api import types

    return types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(series.dtype)


def texts_of(values: pd.Series[Any]) -> list[str]:
    """Write values that are not missing as text: whole numbers without a point, dates as in ISO 8601."""
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"image of {shape_text(value)}"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return str(value.isoformat()).removesuffix("T00:00:00") if hasattr(value, "isoformat") else str(value)


def numbered(series: pd.Series[Any], *, as_they_come: bool = False) -> tuple[NDArray[np.int64], list[str]]:
    """Number the different values of a column.

    Args:
        series: the column.
        as_they_come: whether they are numbered as they first stand in the column, and not in their order.

    Returns:
        The number of the value in each row, ``[rows]``, -1 where it is missing; and the values as text.
    """
    import pandas as pd

    if is_image(series):
        series = digests(series)
    codes, values = pd.factorize(series, sort=not as_they_come)
    return codes.astype(np.int64), texts_of(pd.Series(values))


def looks_like(series: pd.Series[Any]) -> str:
    """Return what nearly all texts of a column look like although they could not be read so.

    Returns:
        "dates" or "numbers"; empty for neither.
    """
    texts = series.dropna().astype("str")
    for what, pattern in _LOOKS.items():
        if len(texts) and texts.str.fullmatch(pattern).mean() >= SHARE_THAT_LOOKS:
            return what
    return ""


def named_twice(names: Sequence[str]) -> list[str]:
    """Return the names that stand more than once, in order."""
    return sorted({name for name in names if names.count(name) > 1})
