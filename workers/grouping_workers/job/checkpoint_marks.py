"""Whether trainings that were lost got further than before: told from the age of their checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from grouping.domain.trainings.trials import TrialRequest
from grouping.trainers import Trainer


class CheckpointMarks:
    """Notes when the checkpoints of trainings were last written.

    Args:
        folder: folder of the checkpoints of the job; None for none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._noted: dict[str, tuple[Path, int]] = {}

    def note(self, trainer: Trainer, requests: Mapping[str, TrialRequest]) -> None:
        """Note the checkpoints of trainings, by trial, that are about to start."""
        if self._folder is None:
            return
        for trial, request in requests.items():
            path = trainer.checkpoint_of(request, self._folder)
            if path is not None:
                self._noted[trial] = (path, _written_ns(path))

    def progressed(self, trials: Iterable[str]) -> set[str]:
        """Return which trials have a checkpoint that was written since they were noted."""
        noted = {trial: self._noted[trial] for trial in trials if trial in self._noted}
        return {trial for trial, (path, before) in noted.items() if _written_ns(path) > before}


def _written_ns(path: Path) -> int:
    """Return the time at which a file, or the newest one in a folder, was written; 0 where there is none."""
    try:
        files = [path, *path.rglob("*")] if path.is_dir() else [path]
        return max((file.stat().st_mtime_ns for file in files if file.is_file()), default=0)
    except OSError:  # replaced at this moment, or not there
        return 0
