"""Files at one address: a folder, or anything that fsspec knows, such as ``s3://bucket/kept``."""

# mypy: disable-error-code="no-untyped-call"
# fsspec is typed in parts.

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from grouping.errors import BundleError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Address:
    """Reads and writes files below one address. A file is written under another name first, then moved.

    Args:
        address: a path, or a URL of a file system of fsspec.

    Raises:
        BundleError: if no such file system is known, or what reads it is not installed.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        try:
            fs, path = url_to_fs(address)
        except (ImportError, ValueError, OSError) as error:
            raise BundleError(f"{address!r} cannot be opened: {error}") from error
        self.address = address
        self._fs: AbstractFileSystem = fs
        self._path = path.rstrip("/")

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none.

        Raises:
            BundleError: if it cannot be read.
        """
        from fsspec.implementations.local import LocalFileSystem

        path = f"{self._path}/{name}"
        try:
            if isinstance(self._fs, LocalFileSystem) and not self._fs.isfile(path):
                return None  # nor a device or a pipe, which would never end
            return bytes(self._fs.cat_file(path))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise BundleError(f"{name!r} in {self.address!r} cannot be read: {error}") from error

    def parts(self, name: str, n_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Yield the content of a file in parts of at most so many bytes.

        Raises:
            BundleError: if it is gone, or cannot be read.
        """
        try:
            with self._fs.open(f"{self._path}/{name}", "rb") as file:
                while part := file.read(n_bytes):
                    yield part
        except OSError as error:
            raise BundleError(f"{name!r} in {self.address!r} cannot be read: {error}") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file, and the folders above it.

        Raises:
            BundleError: if it cannot be written.
        """
        path = f"{self._path}/{name}"
        partial = f"{path}.{uuid.uuid4().hex}.partial"
        try:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(partial, content)
            self._fs.mv(partial, path)
        except OSError as error:
            raise BundleError(f"{self.address!r} cannot be written: {error}") from error

    def names(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, in order; none where there is no such folder.

        Raises:
            BundleError: if it cannot be read.
        """
        path = f"{self._path}/{folder}".rstrip("/")
        try:
            listed = self._fs.ls(path, detail=False, refresh=True)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise BundleError(f"{self.address!r} cannot be read: {error}") from error
        return tuple(sorted(str(name).rstrip("/").rpartition("/")[2] for name in listed))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        path = f"{self._path}/{name}"
        if self._fs.exists(path):
            self._fs.rm(path, recursive=True)
        self._fs.invalidate_cache()
