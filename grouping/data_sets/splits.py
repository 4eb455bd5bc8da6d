"""Division of rows into training, validation and test, once or several times.

Several splits have the same validation rows: networks are chosen on them, so they must not be test rows of
another split. All other rows are divided anew into training and test, at random or in folds. By time, the
folds are of the test rows, and each is tested by what was trained on the rows before it, without those that
validate.
"""

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


def split_rows(frame: pd.DataFrame, split: Split, rows: Rows, strata: Rows, number: int = 0) -> Parts:
    """Divide rows by a split: three arrays of row numbers, for training, validation and test.

    Args:
        frame: the whole table.
        split: how to divide.
        rows: numbers of the rows to divide, sorted.
        strata: a number for each of these rows; those of one number are divided in like shares by a
            stratified split without a column.
        number: number of the split, from 0: the one that networks are chosen on. The others have its
            validation rows, and other training and test rows.

    Raises:
        InvalidInputError: if a part would be empty, the column does not say the parts, or there is no split
            of that number.
    """
    if number >= split.most_splits:
        raise InvalidInputError(
            f"There is no split number {number + 1}: this one makes {split.most_splits}.", pointer="/split"
        )
    column = frame[split.column].iloc[rows] if split.column else None
    if split.kind is SplitKind.TIME:
        parts = _by_time(_known(column, "time"), split.shares, split.folds or 1, number)
    elif split.kind is SplitKind.COLUMN:
        parts = _by_column(_known(column, "part of the split"))
    elif split.kind is SplitKind.GROUP:
        parts = _drawn(_numbers(column), split, number, by_group=True)
    elif split.kind is SplitKind.RANDOM:
        parts = _drawn(np.zeros(len(rows), dtype=np.int64), split, number)
    else:
        parts = _drawn(strata if column is None else _numbers(column), split, number)
    if empty := [name for name, part in zip(PART_NAMES, parts, strict=True) if not len(part)]:
        raise InvalidInputError(
            f"The split leaves no row for {' and '.join(empty)}: {len(rows):,} rows have a label"
            f"{_what_stays_together(column, split, strata)}. Choose other shares or another split.",
            pointer="/split",
        )
    train, validation, test = (np.sort(rows[part]) for part in parts)
    return train, validation, test


def _what_stays_together(column: pd.Series[Any] | None, split: Split, strata: Rows) -> str:
    """Say what left a part without rows, as the end of a sentence."""
    if split.kind is SplitKind.TIME and column is not None:
        return f", rows of one time stay together, and {column.name!r} has {column.nunique():,} times"
    if split.kind is SplitKind.STRATIFIED:
        units = len(np.unique(strata if column is None else _numbers(column)))
        what = "tasks and classes" if column is None else f"values of {column.name!r}"
        return f", in {units:,} {what} that are divided each by itself"
    return ""


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


def _drawn(units: Rows, split: Split, number: int, *, by_group: bool = False) -> Parts:
    """Draw the parts of a split of that number; units are groups that stay together, or strata."""
    draw = _by_group if by_group else _in_shares
    first = np.random.default_rng([split.seed, 0])
    train_share, validation_share, test_share = split.shares
    if split.folds:
        rest, validation = draw(units, (1 - validation_share, validation_share), first)
        divide = _by_group if by_group else _in_folds
        folds = divide(units[rest], (1 / split.folds,) * split.folds, first)
        train = np.concatenate([fold for n, fold in enumerate(folds) if n != number])
        return rest[train], validation, rest[folds[number]]
    train, validation, test = draw(units, split.shares, first)
    if number:
        rest = np.sort(np.concatenate([train, test]))
        share = test_share / (train_share + test_share)
        again = np.random.default_rng([split.seed, number])
        train, test = (rest[part] for part in draw(units[rest], (1 - share, share), again))
    return train, validation, test


def _in_folds(strata: Rows, shares: Sequence[float], generator: np.random.Generator) -> list[Rows]:
    """Deal the rows of every stratum in turn, in random order, so that all folds are alike."""
    order = generator.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    return [order[n :: len(shares)] for n in range(len(shares))]


def _in_shares(strata: Rows, shares: Sequence[float], generator: np.random.Generator) -> list[Rows]:
    """Draw each part's share of every stratum; of as many rows as parts, or more, each part gets one."""
    found: list[list[Rows]] = [[] for _ in shares]
    order = generator.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    starts = np.flatnonzero(np.diff(strata[order], prepend=-2))
    # What rounding took from all parts but the first, so that small strata keep the shares.
    carried = np.zeros(len(shares) - 1)
    for stratum in np.split(order, starts[1:]):
        exact = np.array(shares[1:]) * len(stratum) + carried
        taken = np.floor(exact + 0.5).astype(np.int64)
        if len(stratum) >= len(shares):
            taken = np.maximum(taken, 1)
        taken = np.clip(taken, 0, (len(stratum) - 1) // (len(shares) - 1))
        carried = np.clip(exact - taken, -1, 1)
        for part, piece in zip(found, np.split(stratum, np.cumsum(taken)), strict=True):
            part.append(piece)
    *others, first = (
        np.concatenate([*part, np.array([], dtype=np.int64)]).astype(np.int64) for part in found
    )
    return [first, *others]


def _by_group(groups: Rows, shares: Sequence[float], generator: np.random.Generator) -> list[Rows]:
    """Give each group, in random order, to the part that lacks most; first those too large for most parts."""
    values, sizes = np.unique(groups, return_counts=True)
    if len(values) < len(shares):
        raise InvalidInputError(
            f"The column of the split leaves too few groups: {len(values)} for {len(shares)} parts, and each "
            "part needs one.",
            pointer="/split/column",
        )
    filled = np.zeros(len(shares))
    part_of = {}
    order = generator.permutation(len(values))
    is_large = sizes[order] > sorted(shares)[-2] * len(groups)
    for place in [*order[is_large], *order[~is_large]]:
        part = int(np.argmin(filled / np.array(shares)))
        part_of[values[place]] = part
        filled[part] += sizes[place]
    parts = np.array([part_of[group] for group in groups])
    return [np.flatnonzero(parts == n) for n in range(len(shares))]


def _by_time(times: pd.Series[Any], shares: Sequence[float], n_folds: int, number: int) -> Parts:
    """Cut by time; rows of one time are not divided.

    Of the last rows, which test, the fold of that number is tested; those before it train as well.
    """
    ranks = numbered(times)[0]
    ordered = np.sort(ranks)
    # Where validation and each fold begin, as numbers of rows, and then as times.
    after = [shares[0] + shares[1] + fold / n_folds * shares[2] for fold in range(n_folds)]
    begins = [
        int(ordered[min(len(ordered) - 1, round(share * len(ordered)))]) for share in (shares[0], *after)
    ]
    for place in range(1, len(begins)):
        begins[place] = max(begins[place], begins[place - 1] + 1)
    if n_folds > 1 and begins[-1] > ordered[-1]:
        raise InvalidInputError(
            f"The rows that test have fewer times than {n_folds} folds, and rows of one time stay together.",
            pointer="/split/folds",
        )
    begins.append(int(ordered[-1]) + 1)
    validates = (ranks >= begins[0]) & (ranks < begins[1])
    start, end = begins[number + 1], begins[number + 2]
    return (
        np.flatnonzero((ranks < start) & ~validates),
        np.flatnonzero(validates),
        np.flatnonzero((ranks >= start) & (ranks < end)),
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
