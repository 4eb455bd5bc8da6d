"""Division of rows into training, validation and test. Every function gives three arrays of row numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grouping.data_sets.columns import numbered, texts_of
from grouping.data_sets.definitions import Split, SplitKind
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.int64]
Parts = tuple[Rows, Rows, Rows]
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What a column that says the part may hold, in any case."""


def split_rows(frame: pd.DataFrame, split: Split, rows: Rows, strata: Rows, data_seed: int = 0) -> Parts:
    """Divide rows by a split.

    Args:
        frame: the whole table.
        split: how to divide.
        rows: numbers of the rows to divide, sorted.
        strata: a number for each of these rows; those of one number are divided in like shares by a
            stratified split without a column.
        data_seed: seed beside that of the split.

    Raises:
        InvalidInputError: if a part would be empty, or the column does not say the parts.
    """
    generator = np.random.default_rng([split.seed, data_seed])
    column = frame[split.column].iloc[rows] if split.column else None
    if split.kind is SplitKind.GROUP:
        parts = _by_group(_numbers(column), split.shares, generator)
    elif split.kind is SplitKind.TIME:
        parts = _by_time(_known(column, "time"), split.shares)
    elif split.kind is SplitKind.COLUMN:
        parts = _by_column(_known(column, "part of the split"))
    elif split.kind is SplitKind.RANDOM:
        parts = _in_shares(np.zeros(len(rows), dtype=np.int64), split.shares, generator)
    else:
        parts = _in_shares(strata if column is None else _numbers(column), split.shares, generator)
    if empty := [name for name, part in zip(PART_NAMES, parts, strict=True) if not len(part)]:
        raise InvalidInputError(
            f"The split leaves no row for {' and '.join(empty)}: {len(rows):,} rows have a label. Choose "
            "other shares or another split.",
            pointer="/split",
        )
    train, validation, test = (np.sort(rows[part]) for part in parts)
    return train, validation, test


def _numbers(column: pd.Series[Any] | None) -> Rows:
    """Number the values of a column; missing ones are a value too."""
    assert column is not None  # `Split` sees to it
    return numbered(column)[0]


def _known(column: pd.Series[Any] | None, what: str) -> pd.Series[Any]:
    assert column is not None
    if missing := int(column.isna().sum()):
        raise InvalidInputError(
            f"The column {column.name!r} has no {what} in {missing:,} rows: fill it, or leave these out.",
            pointer="/split/column",
        )
    return column


def _in_shares(strata: Rows, shares: Sequence[float], generator: np.random.Generator) -> Parts:
    """Draw each part's share of every stratum; of three rows and more each part gets one."""
    found: tuple[list[Rows], ...] = ([], [], [])
    order = generator.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    starts = np.flatnonzero(np.diff(strata[order], prepend=-2))
    carried = np.zeros(2)  # what rounding took from validation and test, so that small strata keep the shares
    for stratum in np.split(order, starts[1:]):
        exact = np.array(shares[1:]) * len(stratum) + carried
        taken = np.floor(exact + 0.5).astype(np.int64)
        if len(stratum) >= 3:
            taken = np.maximum(taken, 1)
        taken = np.clip(taken, 0, (len(stratum) - 1) // 2)
        carried = np.clip(exact - taken, -1, 1)
        for part, piece in zip(found, np.split(stratum, np.cumsum(taken)), strict=True):
            part.append(piece)
    validation, test, train = (
        np.concatenate([*part, np.array([], dtype=np.int64)]).astype(np.int64) for part in found
    )
    return train, validation, test


def _by_group(groups: Rows, shares: Sequence[float], generator: np.random.Generator) -> Parts:
    """Give each group, in random order, to the part that lacks most."""
    values, sizes = np.unique(groups, return_counts=True)
    if len(values) < len(shares):
        raise InvalidInputError(
            f"The column of the split has {len(values)} groups, and each part needs one.",
            pointer="/split/column",
        )
    filled = np.zeros(len(shares))
    part_of = {}
    for place in generator.permutation(len(values)):
        part = int(np.argmin(filled / np.array(shares)))
        part_of[values[place]] = part
        filled[part] += sizes[place]
    parts = np.array([part_of[group] for group in groups])
    train, validation, test = (np.flatnonzero(parts == n) for n in range(3))
    return train, validation, test


def _by_time(times: pd.Series[Any], shares: Sequence[float]) -> Parts:
    """Cut by time; rows of one time are not divided."""
    ranks = numbered(times)[0]
    ordered = np.sort(ranks)
    first = ordered[min(len(ordered) - 1, round(shares[0] * len(ordered)))]
    second = ordered[min(len(ordered) - 1, round((shares[0] + shares[1]) * len(ordered)))]
    second = max(second, first + 1)
    return (
        np.flatnonzero(ranks < first),
        np.flatnonzero((ranks >= first) & (ranks < second)),
        np.flatnonzero(ranks >= second),
    )


def _by_column(column: pd.Series[Any]) -> Parts:
    said = [text.strip().lower() for text in texts_of(column)]
    known = {name for names in PART_NAMES.values() for name in names}
    if strange := sorted(set(said) - known):
        raise InvalidInputError(
            f"The column {column.name!r} says train, validation or test, and also holds "
            f"{', '.join(map(repr, strange[:3]))}.",
            pointer="/split/column",
        )
    train, validation, test = (np.flatnonzero(np.isin(said, names)) for names in PART_NAMES.values())
    return train, validation, test
