"""Trainers registered in a file, by whoever runs the service or a worker.

    [trainers.mine]
    command = ["python", "train.py", "--tasks", "{tasks}", "--seed", "{seed}", "--out", "{out}"]

The environment variable `GROUPING_TRAINERS` names the file, so that every process of a service finds the
same trainers. `TrainerDeclaration` has what may stand there.
"""

from __future__ import annotations

import logging
import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grouping.domain.tasks import check_name
from grouping.errors import InvalidInputError
from grouping.parameters import build
from grouping.plug_ins import Unavailable
from grouping.trainers.command import command_trainer
from grouping.trainers.declaration import TrainerDeclaration
from grouping.trainers.python_trainer import python_trainer
from grouping.trainers.trainer import Trainer

logger = logging.getLogger(__name__)

TRAINERS_VARIABLE = "GROUPING_TRAINERS"
FILE_NAME = "trainers.toml"


@dataclass(frozen=True, slots=True)
class Registered:
    """The trainers of a file.

    Attributes:
        found: those that can be used, in the order of the file.
        unavailable: those that cannot, with the reason.
    """

    found: tuple[type[Trainer], ...] = ()
    unavailable: tuple[Unavailable, ...] = ()


def registered_file() -> Path | None:
    """Return the file of registered trainers of this process; None if there is none."""
    named = os.environ.get(TRAINERS_VARIABLE)
    return Path(named).expanduser() if named else None


def find_registered() -> Registered:
    """Read the file of registered trainers of this process; what cannot be used is logged and listed."""
    file = registered_file()
    if file is None:
        return Registered()
    try:
        tables = _read(file)
    except InvalidInputError as error:
        logger.warning("No registered trainer is available: %s", error)
        return Registered(unavailable=(Unavailable(file.name, str(file), str(error)),))
    found, unavailable = [], []
    for name, table in tables.items():
        try:
            found.append(_trainer(file, name, table))
        except Exception as error:
            # Whatever the user's module raises at import concerns that trainer alone.
            is_known = isinstance(error, InvalidInputError)
            reason = str(error) if is_known else f"{type(error).__name__}: {error}"
            logger.warning("The trainer %r is unavailable: %s", name, reason, exc_info=not is_known)
            unavailable.append(Unavailable(name, str(file), reason))
    return Registered(tuple(found), tuple(unavailable))


def _read(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise InvalidInputError(f"{file} is no TOML: {error}.") from error
    tables = document.pop("trainers", {})
    if document or not isinstance(tables, dict):
        raise InvalidInputError(f"{file}: only tables such as [trainers.mine] may stand there.")
    return tables


def _trainer(file: Path, name: str, table: Any) -> type[Trainer]:
    where = f"{file}, [trainers.{name}]"
    try:
        if name != check_name(name, "trainer").lower() or not isinstance(table, dict):
            raise InvalidInputError("A trainer is a table with a name in small letters.")
        declaration = build(TrainerDeclaration, table, what="declaration")
        wanted = declaration.runtime_env
        if wanted is not None:
            declaration = replace(declaration, runtime_env=wanted.at(file.parent))
        folder = _folder(declaration, file.parent)
        make = command_trainer if declaration.command else python_trainer
        return make(name, declaration, folder)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}") from error


def _folder(declaration: TrainerDeclaration, beside: Path) -> Path:
    """Return the folder that a trainer is found from; workers have it too, where they work in a copy.

    Raises:
        InvalidInputError: if there is no such folder, or it is not part of the copy.
    """
    copied = declaration.runtime_env.working_dir if declaration.runtime_env is not None else ""
    folder = (beside / Path(declaration.directory or copied or ".").expanduser()).resolve()
    if not folder.is_dir():
        raise InvalidInputError(f"There is no folder {str(folder)!r}.", pointer="/directory")
    if copied and not folder.is_relative_to(copied):
        raise InvalidInputError(
            f"The folder {str(folder)!r} is not in the working_dir, of which workers have a copy.",
            pointer="/directory",
        )
    return folder
