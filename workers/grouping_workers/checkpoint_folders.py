"""The folder of all checkpoints: one folder per job, removed at the job's end or when it is old.

A job that failed or was cancelled may be resumed, so its folder stays until it is old.
"""

from __future__ import annotations

import logging
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grouping.domain.trials import CHECKPOINT_SUFFIX
from grouping.store.codec import is_id

logger = logging.getLogger(__name__)

KEEP_S = 7 * 24 * 3600.0
"""Seconds since the last checkpoint of a job after which its folder is removed."""


@dataclass(frozen=True, slots=True)
class JobCheckpoints:
    """The checkpoints of one job.

    Attributes:
        job_id: the job, whether or not there still is one.
        trainings: number of trainings with a checkpoint.
        size_bytes: size of all files.
        changed_s: seconds since 1970 at which the last one was written.
    """

    job_id: str
    trainings: int
    size_bytes: int
    changed_s: float


def list_job_checkpoints(root: Path) -> Sequence[JobCheckpoints]:
    """List the checkpoints of each job in a folder, the latest first.

    Only folders that are named like a job and hold nothing but checkpoints are listed; others are ignored.
    """
    if not root.is_dir():
        return ()
    found = [_holding(folder) for folder in root.iterdir() if is_id(folder.name)]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.changed_s, one.job_id))


def _holding(folder: Path) -> JobCheckpoints | None:
    if folder.is_symlink() or not folder.is_dir():
        return None
    trainings, size = 0, 0
    try:
        changed_s = folder.stat().st_mtime
        files = list(folder.iterdir())
    except FileNotFoundError:  # its job has just ended
        return None
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        is_unfinished = file.name.startswith(".") and file.suffix == ".tmp"
        if not stat.S_ISREG(status.st_mode) or not (is_unfinished or file.suffix == CHECKPOINT_SUFFIX):
            return None
        trainings += not is_unfinished
        size += status.st_size
    return JobCheckpoints(folder.name, trainings, size, changed_s)


def remove_folder(root: Path | None, job_id: str) -> bool:
    """Remove the checkpoints of a job that needs them no more; log what the disk refuses.

    Returns:
        Whether there were any, and they are gone.
    """
    return root is not None and _remove(root / job_id)


def prune(root: Path | None, *, keep_s: float = KEEP_S, now_s: float | None = None) -> int:
    """Remove the folders in which nothing was written for a while.

    Args:
        root: the folder of all checkpoints; None or a missing one counts as empty.
        keep_s: seconds that a folder is kept after the last change in it.
        now_s: seconds since 1970 by the clock of the disk; this machine's unless given.

    Returns:
        Number of folders removed.
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
