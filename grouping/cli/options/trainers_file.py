"""The file of registered trainers, for commands that start what trains."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.home import expanded_if_any, home_directory_in
from grouping.scratch import scratch_folder

TrainersFile = Annotated[
    Path | None,
    typer.Option(
        "--trainers",
        envvar="GROUPING_TRAINERS",
        help="File of trainers of your own; trainers.toml in --home, where it is, unless given.",
        dir_okay=False,
    ),
]


@contextmanager
def own_code_registered(named: str) -> Iterator[str]:
    """Have this process, and all that it starts, find code of the user's own as a trainer; yield its name.

    Args:
        named: ``file.py:Name``, from the present folder.

    Raises:
        InvalidInputError: if there is no such code, or it cannot train.
    """
    name = named.rpartition(":")[2].rpartition(".")[2].lower()
    with scratch_folder("grouping-own-") as folder:
        file = folder / "trainers.toml"
        python = json.dumps(str(Path.cwd() / named))
        file.write_text(f"[trainers.{json.dumps(name)}]\npython = {python}\n", encoding="utf-8")
        use_trainers(file, folder, is_strict=True)
        yield name


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

    # Links stay, as where a mounted file is replaced by another version of it.
    folder = expanded_if_any(home)
    file = None if folder is None else folder / FILE_NAME
    if given is not None:
        file = home_directory_in(given).absolute()
    if file is None or not file.is_file():
        if given is not None:
            raise InvalidInputError(f"There is no file of trainers {str(file)!r}.")
        return
    os.environ[TRAINERS_VARIABLE] = str(file)
    discover_trainers.cache_clear()
    if is_strict:
        for broken in discover_trainers().unavailable:
            if broken.distribution == str(file):
                raise InvalidInputError(broken.reason)
