"""The folder of data sets, for commands that use it or start what does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

DataFolderOption = Annotated[
    str | None,
    typer.Option(
        "--data-folder",
        envvar="GROUPING_DATA",
        help="Folder of data sets, or an address such as s3://bucket/data that API and dispatchers share; "
        "data in --home unless given.",
    ),
]


def use_data(given: str | None, home: Path) -> None:
    """Have this process, and all that it starts, find the data sets of a folder.

    Args:
        given: path or address; ``data`` in the home folder unless given.
        home: the home folder.
    """
    from grouping.data_sets.folder import DATA_VARIABLE

    address = given or str(home.expanduser().resolve() / "data")
    os.environ[DATA_VARIABLE] = address if "://" in address else str(Path(address).expanduser().resolve())
