"""The file of registered trainers, for commands that start what trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

TrainersFile = Annotated[
    Path | None,
    typer.Option(
        "--trainers",
        envvar="GROUPING_TRAINERS",
        help="File of trainers of your own; trainers.toml in --home, where it is, unless given.",
        dir_okay=False,
    ),
]


def use_trainers(given: Path | None, home: Path, *, is_strict: bool = False) -> None:
    """Have this process, and all that it starts, find the trainers of a file.

    Args:
        given: the file; ``trainers.toml`` in the home folder, if there is one, unless given.
        home: the home folder.
        is_strict: whether to refuse a file of which something cannot be used.

    Raises:
        InvalidInputError: if the given file is not there, or something in it cannot be used.
    """
    from grouping.errors import InvalidInputError
    from grouping.trainers import discover_trainers
    from grouping.trainers.registered import FILE_NAME, TRAINERS_VARIABLE

    file = (home / FILE_NAME if given is None else given).expanduser().resolve()
    if not file.is_file():
        if given is not None:
            raise InvalidInputError(f"There is no file of trainers {str(file)!r}.")
        return
    os.environ[TRAINERS_VARIABLE] = str(file)
    discover_trainers.cache_clear()
    if is_strict:
        for broken in discover_trainers().unavailable:
            if broken.distribution == str(file):
                raise InvalidInputError(broken.reason)
