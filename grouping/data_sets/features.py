"""Inputs of a network from columns of a table, by numbers that are fitted to the training rows alone.

What is fitted is plain data: it can be kept as JSON beside a network and applied where nothing but pandas is
installed. `tests/unit/test_data_sets_features.py` holds the results to those of scikit-learn's transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets.columns import ColumnKind, texts_of
from grouping.data_sets.images import FittedImages, fit_images
from grouping.data_sets.texts import FittedTexts, fit_texts
from grouping.domain.fields import from_plain
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

MOST_ONE_HOT = 50
"""Categories with an input of their own, the most frequent ones; all others share one."""
DATE_PARTS = ("year", "month", "weekday", "day")
"""What a time becomes; ``day`` counts days, with fractions, from 1970-01-01."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """One number of a column: missing values are filled, then the mean is taken off and the spread is 1.

    Attributes:
        part: part of a time, one of `DATE_PARTS`; empty for the number itself.
        fill: median of the training rows.
        mean, spread: mean and standard deviation of the filled training rows; a spread of 0 is kept as 1.
    """

    part: str
    fill: float
    mean: float
    spread: float

    def __post_init__(self) -> None:
        if self.part not in _PARTS:
            raise InvalidInputError(f"{self.part[:50]!r} is no part of a date.")


@dataclass(frozen=True, slots=True)
class FittedColumn:
    """How one column becomes inputs.

    Attributes:
        column: name of the column.
        kind: number (also for truth values), date or category.
        numbers: scaled numbers, one for a number and one for each of `DATE_PARTS` of a date.
        categories: values with an input of their own, 1 in the rows that have it and else 0.
        has_others: whether one more input is 1 for all other values.
        has_missing: whether one more input is 1 in rows without a value.
    """

    column: str
    kind: ColumnKind
    numbers: tuple[Scaled, ...] = ()
    categories: tuple[str, ...] = ()
    has_others: bool = False
    has_missing: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each input."""
        named = [f"{self.column} {number.part}".strip() for number in self.numbers]
        named += [f"{self.column} = {value}" for value in self.categories]
        named += [f"{self.column} = other"] if self.has_others else []
        return (*named, *([f"{self.column} missing"] if self.has_missing else []))

    def columns_of(self, series: pd.Series[Any]) -> Iterator[NDArray[np.float32]]:
        """Yield the values of each input, ``[rows]``, in the order of `names`."""
        missing = series.isna().to_numpy()
        for number in self.numbers:
            values = _PARTS[number.part](series)
            filled = np.where(np.isnan(values), number.fill, values)
            yield ((filled - number.mean) / number.spread).astype(np.float32)
        if self.kind is ColumnKind.CATEGORY:
            texts = _texts(series)
            for value in self.categories:
                yield (texts == value).astype(np.float32)
            if self.has_others:
                yield (~np.isin(texts, self.categories) & ~missing).astype(np.float32)
        if self.has_missing:
            yield missing.astype(np.float32)


@dataclass(frozen=True, slots=True)
class FittedInputs:
    """How the columns of a table become inputs.

    Attributes:
        columns: one for each column that is an input and no text, in order.
        texts: how columns of text become inputs, after the others; None without any.
        images: how a column of images becomes inputs, after all others; None without any.
    """

    columns: tuple[FittedColumn, ...]
    texts: FittedTexts | None = None
    images: FittedImages | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each input, in order; one for an image."""
        named = tuple(name for column in self.columns for name in column.names)
        named += () if self.texts is None else self.texts.names
        return named if self.images is None else (*named, self.images.column)

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the inputs of rows, ``[rows, features]``; values never seen in training are no error.

        A feature for each of `names`, and for each number of an image.
        """
        if self.images is not None:
            return self.images.apply(frame)
        inputs = np.empty((len(frame), len(self.names)), dtype=np.float32)
        place = 0
        for column in self.columns:
            for values in column.columns_of(frame[column.column]):
                inputs[:, place] = values
                place += 1
        if self.texts is not None:
            inputs[:, place:] = self.texts.apply(frame)
        return inputs

    def as_mapping(self) -> dict[str, Any]:
        """Return all fitted values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> FittedInputs:
        """Invert `as_mapping`."""
        return from_plain(cls, data)


def fit(frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> FittedInputs:
    """Fit the inputs to training rows.

    Args:
        frame: the training rows alone.
        kinds: kind of each column that is an input, in order: number, boolean, date, category or text,
            or one image and nothing else.
    """
    if ColumnKind.IMAGE in kinds.values():
        (column,) = kinds
        return FittedInputs((), images=fit_images(frame, column))
    texts = [name for name, kind in kinds.items() if kind is ColumnKind.TEXT]
    others = (_fit(frame[name], name, kind) for name, kind in kinds.items() if name not in texts)
    return FittedInputs(tuple(others), fit_texts(frame, texts) if texts else None)


def _fit(series: pd.Series[Any], name: str, kind: ColumnKind) -> FittedColumn:
    has_missing = bool(series.isna().any())
    if kind is ColumnKind.CATEGORY:
        known = series.dropna()
        # Ties in frequency are broken by the value: the order must not depend on the rows'.
        counts = known.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        values = texts_of(counts.index.to_series())
        return FittedColumn(
            name,
            kind,
            categories=tuple(values[:MOST_ONE_HOT]),
            has_others=len(values) > MOST_ONE_HOT,
            has_missing=has_missing,
        )
    parts: Sequence[str] = DATE_PARTS if kind is ColumnKind.DATE else ("",)
    numbers = tuple(_fit_number(_PARTS[part](series), part) for part in parts)
    shown = ColumnKind.DATE if kind is ColumnKind.DATE else ColumnKind.NUMBER
    return FittedColumn(name, shown, numbers, has_missing=has_missing)


def _fit_number(values: NDArray[np.float64], part: str) -> Scaled:
    known = values[~np.isnan(values)]
    fill = float(np.median(known)) if len(known) else 0.0
    filled = np.where(np.isnan(values), fill, values)
    spread = float(filled.std())
    # What remains of a constant after rounding is no spread.
    is_constant = spread <= 1e-12 * max(1.0, abs(float(filled.mean())))
    return Scaled(part, fill, float(filled.mean()), 1.0 if is_constant else spread)


def _number(series: pd.Series[Any]) -> NDArray[np.float64]:
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _days(series: pd.Series[Any]) -> NDArray[np.float64]:
    import pandas as pd

    return _number((series - pd.Timestamp(0)) / pd.Timedelta(days=1))


_PARTS: Mapping[str, Callable[[pd.Series[Any]], NDArray[np.float64]]] = {
    "": _number,
    "year": lambda series: _number(series.dt.year),
    "month": lambda series: _number(series.dt.month),
    "weekday": lambda series: _number(series.dt.day_of_week),
    "day": _days,
}


def _texts(series: pd.Series[Any]) -> NDArray[Any]:
    """Return the values as text, ``[rows]``, empty where missing."""
    import pandas as pd

    distinct = series.dropna().unique()
    by_value = dict(zip(distinct, texts_of(pd.Series(distinct)), strict=True))
    return np.array([by_value.get(value, "") for value in series.astype("object")], dtype=object)
