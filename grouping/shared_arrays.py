"""Large arrays that all processes of a machine share: in a file that each of them maps, read-only.

Mapped pages are in memory once, whoever reads them, and the system may drop them when it needs room, so data
may be larger than the memory. The file has no name: it is gone with the last process that uses it, however
that ends.
"""

from __future__ import annotations

import copy
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.trainings.datasets import Dataset, in_blocks
from grouping.errors import TrainingError

LARGE_BYTES = 64 * 2**20
"""Size from which an array is shared: a smaller one is copied to every worker, whose steps are faster
then."""
_BY_PATH: ContextVar[bool] = ContextVar("whether arrays are handed over by path", default=False)


class SharedArray(np.memmap[Any, Any]):
    """A mapped array. Pickled it is a copy of its numbers, or within `handed_over_by_path` its place."""

    _descriptor: int | None = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return the place where this process keeps the file open, or the numbers."""
        if _BY_PATH.get() and self._descriptor is not None:
            path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
            return _open, (path, _identity(self._descriptor), self.dtype.str, self.shape)
        return self.view(np.ndarray).__reduce_ex__(protocol)


@contextmanager
def handed_over_by_path() -> Iterator[None]:
    """Pickle shared arrays as the place of their file, for processes of this machine, within the context.

    The process that pickles has to live until the others have opened the file.
    """
    token = _BY_PATH.set(True)
    try:
        yield
    finally:
        _BY_PATH.reset(token)


def shared(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that is mapped if it is large: written to a file once, and not held in memory.

    Elsewhere than on Linux the array itself is returned, as is a small one.

    Raises:
        TrainingError: if there is no room for the file.
    """
    if array.nbytes < LARGE_BYTES or isinstance(array, SharedArray) or not Path("/proc/self/fd").exists():
        return array
    try:
        with tempfile.TemporaryFile(prefix="mtl-grouping-") as file:
            for some in in_blocks(array):
                file.write(np.ascontiguousarray(some).data)
            file.flush()
            return _mapped(file, array.dtype.str, array.shape)
    except OSError as error:
        raise TrainingError(
            f"The data ({array.nbytes / 2**30:.1f} GiB) cannot be written to {tempfile.gettempdir()}: "
            f"{error}. Make room there, or name another folder in TMPDIR."
        ) from error


def with_shared_inputs(dataset: Dataset) -> Dataset:
    """Return the data set with its inputs as `shared` gives them; they were checked, and are not read again.

    Nothing else should hold the data set, so that there is no moment with its inputs in memory twice.
    """
    made = copy.copy(dataset)
    object.__setattr__(made, "inputs", shared(dataset.inputs))
    return made


def _identity(descriptor: int) -> tuple[int, int]:
    """Return what tells an open file from one that takes its place: numbers of files are given again."""
    found = os.fstat(descriptor)
    return found.st_ino, found.st_mtime_ns


def _open(path: str, identity: tuple[int, int], dtype: str, shape: tuple[int, ...]) -> SharedArray:
    try:
        with Path(path).open("rb") as file:
            if _identity(file.fileno()) != identity:
                raise FileNotFoundError("another file is there")
            return _mapped(file, dtype, shape)
    except OSError as error:
        raise TrainingError(f"The data of the job, {path}, cannot be read by this worker: {error}") from error


def _mapped(file: IO[bytes], dtype: str, shape: tuple[int, ...]) -> SharedArray:
    array = SharedArray(file, dtype=dtype, mode="r", shape=shape)
    # The file is gone once nobody has it open or mapped: this process does, as long as there is the array.
    array._descriptor = os.dup(file.fileno())
    weakref.finalize(array, os.close, array._descriptor)
    return array
