"""File formats of score tables, without their readers, so that the command line lists them quickly."""

from __future__ import annotations

from enum import StrEnum


class TableFormat(StrEnum):
    """A file format of score tables."""

    WIDE_CSV = "wide_csv"
    """A row per network, a column per task, separated by commas; semicolons are read too."""
    WIDE_TSV = "wide_tsv"
    """The same, separated by tabs."""
    LONG_CSV = "long_csv"
    """A row per network, task and seed, separated by commas; semicolons are read too."""
    LONG_TSV = "long_tsv"
    """The same, separated by tabs."""
    JSON = "json"
    """Everything a table holds."""
    PARQUET = "parquet"
    """The long layout in typed columns, with everything a table holds."""
    RESULTS_TXT = "results_txt"
    """The headerless file of the paper's published code."""
