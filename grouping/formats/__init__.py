"""Score tables in files: readers and writers of every format.

`read_table` reads any format that `TableFormat` lists, and `write_table` writes it; `to_frame` and
`from_frame` do the same for pandas. Untrusted uploads are read by `read_table_guarded`, in a process of its
own.
"""

from grouping.formats.assembly import ImportedTable
from grouping.formats.files import read_table, read_wide_csv, write_table, write_wide_csv
from grouping.formats.finished import results_of_table
from grouping.formats.frames import from_frame, to_frame
from grouping.formats.guarded import read_table_guarded
from grouping.formats.report import ImportReport, TableFormat, Values

__all__ = [
    "ImportReport",
    "ImportedTable",
    "TableFormat",
    "Values",
    "from_frame",
    "read_table",
    "read_table_guarded",
    "read_wide_csv",
    "results_of_table",
    "to_frame",
    "write_table",
    "write_wide_csv",
]
