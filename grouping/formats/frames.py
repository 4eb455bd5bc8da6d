"""Score tables as pandas DataFrames, in the layouts of the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError
from grouping.formats.assembly import ImportedTable, assemble
from grouping.formats.cells import Cell
from grouping.formats.findings import Findings
from grouping.formats.layouts import read_layout
from grouping.formats.long_layout import is_known, is_long, long_columns
from grouping.formats.report import Values
from grouping.formats.task_attributes import tasks_from_json, tasks_to_json

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTE = "mtl_grouping_tasks"
"""Where ``DataFrame.attrs`` keeps the attributes of the tasks."""


def to_frame(table: ScoreTable, *, values: Values = "losses") -> pd.DataFrame:
    """Convert a table to a long DataFrame, with a row for each task of each network and each seed.

    A cell that was not measured is NaN. The attributes of the tasks stand in ``frame.attrs``, so that
    `from_frame` gives the same table back as long as they are kept.

    Args:
        table: the table.
        values: ``gains`` writes ``1 - loss``, which is rounded, in ``validation_gain`` and ``test_gain``.
    """
    import pandas as pd

    frame = pd.DataFrame(long_columns(table, values))
    kinds = {"network": "str", "task": "str", "seed": "Int64"}
    frame = frame.astype({name: kinds.get(name, "float64") for name in frame.columns})
    frame.attrs[ATTRIBUTE] = tasks_to_json(table.tasks)
    return frame


def from_frame(frame: pd.DataFrame, *, values: Values = "losses") -> ImportedTable:
    """Read a DataFrame in the long or in the wide layout, as its columns tell.

    Args:
        frame: NaN, None and NA are blank; an infinite number is a result that is not finite. The levels of
            its index are read where they are called like columns of the layouts; where neither a column nor
            a level is called ``network``, an index of text holds the networks.
        values: ``losses`` or ``gains``, as for `read_table`.

    Raises:
        TableFormatError: if it is no score table; rows are counted from 1.
    """
    findings = Findings(unit="row")
    frame = _with_named_index(frame)
    header = [str(name) for name in frame.columns]
    try:
        tasks = tasks_from_json(frame.attrs.get(ATTRIBUTE, []), f"attrs[{ATTRIBUTE!r}]")
    except InvalidInputError as error:
        raise findings.error(str(error)) from error
    raw = read_layout(header, _rows(frame), values, findings, tasks=tasks)
    return assemble(raw, "long_frame" if is_long(header) else "wide_frame", values, findings)


def _with_named_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the levels of the index as columns that belong to the layouts."""
    columns = set(map(str, frame.columns))
    names = [None if name is None else str(name) for name in frame.index.names]
    is_text = len(names) == 1 and all(isinstance(label, str) for label in frame.index)
    if "network" not in {*columns, *names} and is_text and len(frame):
        return frame.rename_axis("network").reset_index()
    known = [i for i, name in enumerate(names) if name and is_known(name) and name not in columns]
    return frame.reset_index(level=known) if known else frame


def _rows(frame: pd.DataFrame) -> Iterator[tuple[int, Sequence[Cell]]]:
    plain = frame.astype(object).where(frame.notna(), None)
    columns = [plain.iloc[:, i].tolist() for i in range(len(plain.columns))]
    return enumerate(zip(*columns, strict=True), start=1)
