"""The folder of all checkpoints, with a folder per job: removed with the job's end, and by age.

A job that failed or was cancelled may be resumed, so its folder stays until it is old.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

logger = logging.getLogger(__name__)

KEEP_S = 7 * 24 * 3600.0
"""Seconds since the last checkpoint of a job after which its folder is removed."""


def remove_folder(root: Path | None, job_id: str) -> None:
    """Remove the checkpoints of a job that needs them no more; what the disk refuses is only told."""
    if root is not None:
        _remove(root / job_id)


def prune(root: Path | None, *, keep_s: float = KEEP_S, now_s: float | None = None) -> int:
    """Remove the folders in which nothing was written for so long.

    Args:
        root: the folder of all checkpoints; None or one that is not there is empty.
        keep_s: seconds that a folder is kept after the last change in it.
        now_s: seconds since 1970 by the clock of the disk; this machine's unless given.

    Returns:
        How many were removed.
    """
    if root is None or not root.is_dir():
        return 0
    oldest = (time.time() if now_s is None else now_s) - keep_s
    old = [folder for folder in root.iterdir() if folder.is_dir() and _changed_s(folder) < oldest]
    return sum(_remove(folder) for folder in old)


def _changed_s(folder: Path) -> float:
    # Replacing a file in a folder changes the folder.
    try:
        return folder.stat().st_mtime
    except OSError:
        return float("inf")


def _remove(folder: Path) -> bool:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("The checkpoints in %s could not be removed: %s", folder, error)
        return False
    return True
