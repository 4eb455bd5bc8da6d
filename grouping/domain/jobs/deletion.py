"""What goes with a job that is deleted, and what other jobs that depend on it lose or keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobDependents:
    """What depends on a job.

    Attributes:
        n_trainings: number of its trainings, which go with it, as do their scores, logs and curves.
        n_groupings: number of stored groupings of its score table, which go with it.
        copied_by: jobs that have copied outcomes of it, by identifier; they keep them.
        wanted_by: jobs under way that may still copy outcomes of it; without it they train them.
    """

    n_trainings: int = 0
    n_groupings: int = 0
    copied_by: tuple[str, ...] = ()
    wanted_by: tuple[str, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Say what becomes of them."""
        goes = f"{_counted(self.n_trainings, 'training')} with logs and scores"
        if self.n_groupings:
            goes += f", and {_counted(self.n_groupings, 'stored grouping')} of its score table"
        said = [f"With the job go its score table, {goes}."]
        if self.copied_by:
            keep = "keeps" if len(self.copied_by) == 1 else "keep"
            said.append(f"{_jobs(self.copied_by)} {keep} the outcomes copied from it.")
        if self.wanted_by:
            train = "trains" if len(self.wanted_by) == 1 else "train"
            said.append(f"{_jobs(self.wanted_by)} {train} what could have been copied from it.")
        return tuple(said)


def _jobs(ids: Sequence[str]) -> str:
    listed = ", ".join(ids[:3])
    return f"Job {listed}" if len(ids) == 1 else f"{len(ids):,} jobs ({listed}{', ...' * (len(ids) > 3)})"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
