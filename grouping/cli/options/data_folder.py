"""The folder of data sets, for commands that use it or start what does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.home import expanded, expanded_if_any

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
        given: path or address; ``data`` in the home folder unless given; no folder where there is none.
        home: the home folder.
    """
    from grouping.data_sets.folder import DATA_VARIABLE

    if given is not None:
        os.environ[DATA_VARIABLE] = given if "://" in given else str(expanded(Path(given)))
    elif (found := expanded_if_any(home)) is not None:
        os.environ[DATA_VARIABLE] = str(found / "data")
