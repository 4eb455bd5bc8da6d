"""Control of a job's process by its dispatcher: what it is told, and what it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from grouping_workers.dispatch.messages import Activity, Working


def _drop(_message: Working) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Control:
    """Connection between a job and whoever started it.

    Attributes:
        stop: set when the job is to be given back.
        tell: takes what the process does from now on.
        is_orphaned: whether whoever started it is gone.
        share: share of the Ray cluster that the job may use, in [0, 1].
        wanted: share that it could use.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[Working], None] = _drop
    is_orphaned: bool = False
    share: float = 1.0
    wanted: float = 1.0

    def begin_job(self, *, is_on_ray: bool) -> None:
        """Begin the next job, with all of the cluster until something else is told; want it, if on Ray."""
        self.stop.clear()
        self.share, self.wanted = 1.0, float(is_on_ray)

    def orphaned(self) -> None:
        """End the job without a word to the database: the dispatcher that held the claim is gone."""
        self.is_orphaned = True
        self.stop.set()

    def working(self, activity: Activity, *, has_outcomes: bool = False) -> None:
        """Tell what the process does from now on, and whether a training ended since it told last.

        Where nobody listens any more, the job is to end.
        """
        try:
            self.tell(Working(activity, has_outcomes, self.wanted))
        except OSError:
            self.orphaned()
