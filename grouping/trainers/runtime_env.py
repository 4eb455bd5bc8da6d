"""What Ray's workers get before they train: code, packages, variables, an image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from grouping.domain.fields import STRICT, check
from grouping.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class RuntimeEnv:
    """What Ray brings to the workers of a trainer, on every node; the keys are those of Ray's `runtime_env`.

    Attributes:
        working_dir: folder of which every worker has a copy to work in.
        py_modules: folders of packages, Python files or wheels that workers can import; or addresses of
            archives, such as ``s3://bucket/code.zip``, which the nodes fetch.
        excludes: what is not copied, as patterns of ``.gitignore``; what such a file names is left out too.
        pip: requirements that are installed for these workers alone, as pip reads them.
        env_vars: environment variables.
        image_uri: container image in which workers run; with `env_vars` alone, as in Ray.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    working_dir: str = ""
    py_modules: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    env_vars: Mapping[str, str] = field(default_factory=dict)
    image_uri: str = ""

    def __post_init__(self) -> None:
        check(self, "/runtime_env")
        if self.image_uri and (self.working_dir or self.py_modules or self.excludes or self.pip):
            raise InvalidInputError(
                "What workers need beside an image has to be in it: give image_uri with env_vars alone.",
                pointer="/runtime_env/image_uri",
            )
        if is_address(self.working_dir):
            raise InvalidInputError(
                "The working_dir is a folder of this machine; an archive at an address goes to py_modules.",
                pointer="/runtime_env/working_dir",
            )

    def at(self, folder: Path) -> RuntimeEnv:
        """Return the same with absolute paths, found from a folder.

        Raises:
            InvalidInputError: if something is not there.
        """
        working_dir = _found(self.working_dir, folder) if self.working_dir else ""
        if working_dir and not Path(working_dir).is_dir():
            raise InvalidInputError(f"{working_dir!r} is no folder.", pointer="/runtime_env/working_dir")
        modules = tuple(one if is_address(one) else _found(one, folder) for one in self.py_modules)
        for one in modules:
            if not (is_address(one) or Path(one).is_dir() or Path(one).suffix in (".py", ".whl")):
                raise InvalidInputError(
                    f"{one!r} is no folder, Python file or wheel.", pointer="/runtime_env/py_modules"
                )
        return replace(self, working_dir=working_dir, py_modules=modules)

    def brings(self, module: str) -> bool:
        """Tell whether workers that work in a copy find this file there; a module by name may be anywhere."""
        is_file = module.endswith(".py")
        return not self.working_dir or not is_file or Path(module).is_relative_to(self.working_dir)

    def make_importable(self) -> None:
        """Have this process import what workers can import, as far as that lies here."""
        local = [Path(one) for one in self.py_modules if not is_address(one)]
        folders = [str(one.parent) for one in local if one.suffix != ".whl"]
        for folder in [*filter(None, [self.working_dir]), *folders]:
            if folder not in sys.path:
                sys.path.append(folder)


def is_address(text: str) -> bool:
    """Return whether a text is an address such as ``s3://bucket/code.zip``, not a path."""
    return "://" in text


_copies: dict[Path, Path] = {}
"""Copies in this process, by the folder that they are of."""


def use_copy(folder: Path, copy: Path) -> None:
    """Have `here` find what lies in a folder in a copy of it, from now on and in all of this process."""
    _copies[folder] = copy


def here(path: Path) -> Path:
    """Return where a path of the machine that plans is in this process; see `use_copy`."""
    for folder, copy in _copies.items():
        if path.is_relative_to(folder):
            return copy / path.relative_to(folder)
    return path


def _found(path: str, folder: Path) -> str:
    found = (folder / Path(path).expanduser()).resolve()
    if not found.exists():
        raise InvalidInputError(f"There is no {str(found)!r}.", pointer="/runtime_env")
    return str(found)
