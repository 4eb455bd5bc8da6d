"""Temporary folders that do not stay where the process that made them was killed.

Each is held by a lock for as long as its process lives. Who makes the next one of the same kind deletes those
that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves behind stays there
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
UNHELD_S = 60.0
"""Seconds in which a process surely holds the folder that it made."""


@contextmanager
def scratch_folder(prefix: str, root: Path | None = None) -> Iterator[Path]:
    """Make a folder that is deleted at the end of the block, or by a later process if this one is killed.

    Args:
        prefix: what its name begins with; folders of the same kind have the same.
        root: folder to make it in; that of temporary files unless given.

    Yields:
        The folder, in which ``lock`` is taken.

    Raises:
        OSError: if no folder can be made there.
    """
    root = Path(tempfile.gettempdir()) if root is None else root
    _delete_left_over(root, prefix)
    folder, lock = _held_folder(root, prefix)
    try:
        with lock:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _held_folder(root: Path, prefix: str) -> tuple[Path, IO[Any]]:
    """Make a folder and hold its lock; make another where it was taken for left over before that."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        try:
            lock = (folder / LOCK).open("w")
        except FileNotFoundError:
            continue
        _hold(lock)
        if (folder / LOCK).exists():
            return folder, lock
        lock.close()


def _delete_left_over(root: Path, prefix: str) -> None:
    """Delete the folders of processes that are gone, and those that their process never held."""
    if fcntl is None:
        return
    for folder in root.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another account's, held, or gone
            if (folder / LOCK).exists():
                with (folder / LOCK).open("r+") as lock:
                    _hold(lock, wait=False)
                    shutil.rmtree(folder, ignore_errors=True)
            elif time.time() - folder.stat().st_mtime > UNHELD_S:
                folder.rmdir()


def _hold(lock: IO[Any], *, wait: bool = True) -> None:
    if fcntl is not None:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
