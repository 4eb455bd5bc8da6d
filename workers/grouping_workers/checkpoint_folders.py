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

from grouping.domain.trainings.trials import CHECKPOINT_SUFFIX
from grouping.store.codec import is_id

logger = logging.getLogger(__name__)

KEEP_S = 7 * 24 * 3600.0
"""Seconds since the last checkpoint of a job after which its folder is removed."""


@dataclass(frozen=True, slots=True)
class JobCheckpoints:
    """The checkpoints of one job.

    Attributes:
        job_id: the job, whether or not there still is one.
        trainings: number of trainings with a checkpoint: files or folders in the job's folder.
        size_bytes: size of all files.
        changed_s: seconds since 1970 at which the last one was written.
        is_certain: whether it holds nothing but checkpoints of the built-in trainer, so that it is no folder
            of something else even where nobody knows the job.
    """

    job_id: str
    trainings: int
    size_bytes: int
    changed_s: float
    is_certain: bool


def list_job_checkpoints(root: Path) -> Sequence[JobCheckpoints]:
    """List the folders that are named like a job, the latest first; others are ignored."""
    if not root.is_dir():
        return ()
    found = [_holding(folder) for folder in root.iterdir() if is_id(folder.name)]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.changed_s, one.job_id))


def _holding(folder: Path) -> JobCheckpoints | None:
    if folder.is_symlink() or not folder.is_dir():
        return None
    trainings, size, is_certain, changed_s = 0, 0, True, 0.0
    try:
        changed_s = folder.stat().st_mtime
        entries = list(folder.iterdir())
    except FileNotFoundError:  # its job has just ended
        return None
    for entry in entries:
        is_unfinished = entry.name.startswith(".") and entry.suffix == ".tmp"
        trainings += not is_unfinished
        is_certain &= is_unfinished or entry.suffix == CHECKPOINT_SUFFIX
        for file in [entry, *entry.rglob("*")] if entry.is_dir() else [entry]:
            try:
                status = file.lstat()
            except FileNotFoundError:  # replaced by a later one
                continue
            is_certain &= stat.S_ISREG(status.st_mode)
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
            changed_s = max(changed_s, status.st_mtime)
    return JobCheckpoints(folder.name, trainings, size, changed_s, is_certain)


def remove_folder(root: Path | None, job_id: str) -> bool:
    """Remove the checkpoints of a job that needs them no more; log what the disk refuses.

    Returns:
        Whether there were any, and they are gone.
    """
    return root is not None and _remove(root / job_id)


def prune(root: Path | None, *, keep_s: float = KEEP_S, now_s: float | None = None) -> int:
    """Remove the folders of jobs in which nothing was written for a while.

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
    old = [found.job_id for found in list_job_checkpoints(root) if found.changed_s < oldest]
    return sum(_remove(root / job_id) for job_id in old)


def _remove(folder: Path) -> bool:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("The checkpoints in %s could not be removed: %s", folder, error)
        return False
    return True
