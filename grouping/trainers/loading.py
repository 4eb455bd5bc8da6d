"""Python objects by reference: a file or module, and a name in it, the same in every process."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from grouping.errors import InvalidInputError
from grouping.trainers.runtime_env import here
from grouping.trainers.workers import TrainingWorker, WorkerContext


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A name in a Python file or module.

    Attributes:
        module: absolute path of a file that ends in ``.py``, or the name of a module that can be imported.
        name: name in it; with dots for a name in a class.
    """

    module: str
    name: str

    @classmethod
    def parse(cls, text: str, folder: Path) -> CodeReference:
        """Read ``file.py:Name`` or ``package.module:Name``; files are found from a folder.

        Raises:
            InvalidInputError: if it is neither, or there is no such file.
        """
        module, separator, name = text.rpartition(":")
        if not separator or not module or not name:
            raise InvalidInputError(f'{text!r} names no class or function: write "file.py:Name".')
        if not module.endswith(".py"):
            return cls(module, name)
        file = (folder / Path(module).expanduser()).resolve()
        if not file.is_file():
            raise InvalidInputError(f"There is no file {str(file)!r}.")
        return cls(str(file), name)

    def load(self) -> Any:
        """Import the module, once in each process, and return the object.

        A file is imported under a name of its own. Modules beside it can be imported from it, unless one of
        that name is installed.

        Raises:
            InvalidInputError: if there is no such name in it. Errors of its code pass through.
        """
        found: Any = _load_file(self.module) if self.module.endswith(".py") else _import(self.module)
        for part in self.name.split("."):
            if not hasattr(found, part):
                raise InvalidInputError(f"{self.module} has no {part!r}.")
            found = getattr(found, part)
        return found


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise InvalidInputError(
                f"There is no module {module!r} here: install it, or name a file that ends in .py."
            ) from None
        raise


def _load_file(path: str) -> ModuleType:
    file = here(Path(path))
    # The name is that of the original, so that what is pickled here is found where there is a copy.
    name = f"registered_{file.stem}_{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@dataclass(frozen=True, slots=True)
class LoadingFirst:
    """Builder of a worker whose code is loaded before anything of it is unpickled; see `WorkerSetup`.

    Attributes:
        reference: the code.
        build: the builder itself.
    """

    reference: CodeReference
    build: Callable[[Any, WorkerContext], TrainingWorker]

    def __call__(self, data: Any, context: WorkerContext) -> TrainingWorker:
        """Build the worker."""
        return self.build(data, context)

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_then_unpickle, (self.reference, pickle.dumps(self.build))


def _load_then_unpickle(reference: CodeReference, pickled: bytes) -> LoadingFirst:
    reference.load()
    return LoadingFirst(reference, pickle.loads(pickled))  # nosec B301 # of our own process
