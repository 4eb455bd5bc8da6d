"""Versions of a table: which rows of a newer one are new, whatever their order and whatever columns were
added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grouping.data_sets.columns import is_number
from grouping.data_sets.findings import Finding, listed
from grouping.domain.percentages import percent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """The version of a data set that was the newest when another was stored, and what changed since.

    Attributes:
        version: name of the earlier version.
        n_rows: number of its rows.
        n_new_rows: rows of the newer table that it does not have.
        n_gone_rows: rows that only it has.
        new_columns: columns that it does not have.
    """

    version: str
    n_rows: int
    n_new_rows: int
    n_gone_rows: int
    new_columns: tuple[str, ...]

    def findings(self, n_rows: int) -> tuple[Finding, ...]:
        """Tell what the change means for jobs on the earlier version.

        Args:
            n_rows: number of rows of the newer table.
        """
        gone = f", and {self.n_gone_rows:,} of that version are gone" if self.n_gone_rows else ""
        if self.n_new_rows or self.n_gone_rows:
            sentence = (
                f"{percent(self.n_new_rows / max(1, n_rows), 0)} of the rows ({self.n_new_rows:,} of "
                f"{n_rows:,}) are new since {self.version}{gone}: scores of jobs on that version are of "
                "other rows and are not copied. Train again, or go on with that version, whose jobs stay."
            )
            return (Finding("rows_changed", sentence, (self.version,)),)
        if not self.new_columns:
            return ()
        sentence = (
            f"The rows are those of {self.version}; new columns: {listed(self.new_columns)}. Where inputs "
            "and split stay the same, a job that reuses one on that version trains only networks with a new "
            "task."
        )
        return (Finding("columns_added", sentence, self.new_columns),)


def compare(newer: pd.DataFrame, earlier: pd.DataFrame, version: str) -> EarlierVersion:
    """Compare a table with an earlier one in the columns that both have; equal rows are counted."""
    common = [name for name in newer.columns if name in set(earlier.columns)]
    added = tuple(str(name) for name in newer.columns if name not in set(earlier.columns))
    if not common:
        return EarlierVersion(version, len(earlier), len(newer), len(earlier), added)
    change = _counts(newer, common).sub(_counts(earlier, common), fill_value=0)
    new, gone = int(change.clip(lower=0).sum()), int((-change).clip(lower=0).sum())
    return EarlierVersion(version, len(earlier), new, gone, added)


def _counts(frame: pd.DataFrame, columns: list[str]) -> pd.Series[int]:
    """Count the rows of each content, by a hash; numbers are equal whatever their type."""
    import pandas as pd

    plain = pd.DataFrame(
        {
            name: frame[name].astype("float64") if is_number(frame[name]) else frame[name].astype(str)
            for name in columns
        }
    )
    return pd.util.hash_pandas_object(plain, index=False).value_counts()
