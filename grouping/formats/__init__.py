"""Score tables in files. Imported tables and trained ones are the same thing from here on."""

from grouping.formats.wide_csv import read_wide_csv, write_wide_csv

__all__ = ["read_wide_csv", "write_wide_csv"]
