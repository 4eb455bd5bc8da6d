"""The home folder of the service, and other folders that users name: resolved in one place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from grouping.errors import InvalidInputError

DEFAULT_HOME = Path("~/.mtl-grouping")
"""Where the service keeps its files unless told; resolved when it is used, and not by each command."""

Home = Annotated[
    Path,
    typer.Option(
        envvar="GROUPING_HOME", help="Folder of the embedded database, logs and tables.", file_okay=False
    ),
]


def expanded(path: Path) -> Path:
    """Return the absolute path, links resolved, ``~`` replaced by the home directory of this account.

    Raises:
        InvalidInputError: if the path begins with ``~`` and the account has no home directory, as that of a
            container that runs under a number only.
    """
    return home_directory_in(path).resolve()


def home_directory_in(path: Path) -> Path:
    """Return the path with ``~`` replaced, links as they are; raises as `expanded` does."""
    try:
        found = path.expanduser()
    except RuntimeError:
        found = None
    if found is None or (path.parts[:1] == ("~",) and os.environ.get("HOME") == ""):
        raise InvalidInputError(
            f"This account has no home directory, which {path} needs. Say where the service keeps its files: "
            "--home FOLDER, or GROUPING_HOME=FOLDER in the environment."
        )
    return found


def expanded_if_any(home: Path) -> Path | None:
    """Return the home folder for what can do without: None where the account has no home directory."""
    try:
        return expanded(home)
    except InvalidInputError:
        return None


def private_folder(folder: Path) -> Path:
    """Create a folder that this account alone can read, if it is not there, and return it.

    Raises:
        InvalidInputError: if it cannot be created or written to.
    """
    reason = ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInputError(
            f"The service cannot write to {folder}{': ' * bool(reason)}{reason}. Name another folder: --home "
            "FOLDER, or GROUPING_HOME=FOLDER in the environment."
        )
    return folder
