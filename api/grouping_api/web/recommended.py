"""What a job recommends, for whoever watches it: solved anew now and then, and what is known always shown."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from grouping.errors import GroupingError
from grouping.solver import Recommendation
from grouping.store import TableInfo
from grouping.use_cases.table_queries import TableQueries
from grouping.use_cases.task_values import TaskValues
from grouping.work import current_work

PAUSE = 3.0
"""A page that refreshes itself solves again after so many times the time that the last solve took."""
MOST_JOBS = 100
"""Jobs of which the last solve is kept."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """Recommendations of a job as they were last solved, and what else follows from its scores.

    Attributes:
        items: a recommendation for each budget; empty where nothing was solved yet.
        values: the tasks in their own units.
        rank_check: how well short trainings rank the networks; empty without any.
        n_trained: number of trainings that they rest on, at least.
        fault: why they are not those of all scores, in sentences; empty unless that was tried.
    """

    items: tuple[Recommendation, ...] = ()
    values: tuple[TaskValues, ...] = ()
    rank_check: str = ""
    n_trained: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Solve:
    """The last solve of a job: its revision, None where it never succeeded, its end, and how long it took."""

    found: Recommended
    revision: int | None
    end_s: float
    took_s: float


class LastRecommended:
    """The last recommendations of jobs; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Solve] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, info: TableInfo, *, is_patient: bool) -> Recommended | None:
        """Return what is to be shown without solving; None where it is to be solved.

        Args:
            info: score table of the job.
            is_patient: whether what older scores recommend will do for a while.
        """
        with self._lock:
            last = self._kept.get(info.id)
        if last is None or (last.revision != info.revision and not (is_patient and _is_recent(last))):
            return None
        return last.found

    def solve(
        self, queries: TableQueries, info: TableInfo, *, n_trained: int, is_shortened: bool
    ) -> Recommended:
        """Solve for all scores; where that fails return the last recommendations, with the fault.

        Args:
            queries: what solves.
            info: score table of the job.
            n_trained: number of trainings with scores, read before `info`.
            is_shortened: whether there are short trainings, of which the ranks are checked.
        """
        began_s = time.monotonic()
        with self._lock:
            last = self._kept.get(info.id)
        revision = None if last is None else last.revision
        try:
            current_work().check()
            items = queries.recommendations(info)
            rank_check = queries.rank_check(info).summary() if is_shortened else ""
            found = Recommended(items, queries.values(info), rank_check, n_trained)
            revision = info.revision
        except GroupingError as error:
            found = replace(Recommended() if last is None else last.found, fault=str(error))
        end_s = time.monotonic()
        with self._lock:
            self._kept[info.id] = _Solve(found, revision, end_s, end_s - began_s)
            self._kept.move_to_end(info.id)
            while len(self._kept) > MOST_JOBS:
                self._kept.popitem(last=False)
        return found


def _is_recent(last: _Solve) -> bool:
    return time.monotonic() - last.end_s < PAUSE * last.took_s
