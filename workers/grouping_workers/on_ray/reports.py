"""Reports of trainings on Ray, on their way from the workers to the job's process."""

from __future__ import annotations

import logging
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialRequest
from grouping_workers.job.executor import Report

logger = logging.getLogger(__name__)

MAX_LOG = 256 * 1024
"""The most characters of a training's output that wait; of more the first are dropped."""
MAX_POINTS = 2_000
WAIT_S = 5.0
"""Seconds for which the last reports of a training are waited for."""


class MailboxActor:
    """Keeps what trainings tell until the job's process fetches it. Wrapped by `ray.remote`."""

    def __init__(self) -> None:
        self._points: dict[str, list[Progress]] = {}
        self._logs: dict[str, str] = {}

    def put_point(self, trial: str, point: Progress) -> None:
        """Keep a point of the learning curves of a trial."""
        self._points.setdefault(trial, []).append(point)
        del self._points[trial][:-MAX_POINTS]

    def put_log(self, trial: str, text: str) -> None:
        """Keep further output of a trial."""
        self._logs[trial] = (self._logs.get(trial, "") + text)[-MAX_LOG:]

    def take(self) -> list[Report]:
        """Return everything, and forget it."""
        trials = [*self._points, *(trial for trial in self._logs if trial not in self._points)]
        taken = [Report(t, tuple(self._points.get(t, ())), self._logs.get(t, "")) for t in trials]
        self._points.clear()
        self._logs.clear()
        return taken


class Mailbox:
    """The job's side of a mailbox; its actor is started when it is first needed."""

    def __init__(self) -> None:
        self._actor: Any = None
        self._asked: Any = None

    @property
    def address(self) -> Any:
        """Handle of the actor, for workers."""
        if self._actor is None:
            self._actor = ray.remote(num_cpus=0, max_restarts=-1)(MailboxActor).remote()
        return self._actor

    def take(self, *, is_complete: bool = False) -> list[Report]:
        """Return what came since it was last asked; never waits, unless it is to be complete.

        Args:
            is_complete: whether to wait for all that came before this call, as when a training has ended.
        """
        if self._actor is None:
            return []
        found: list[Report] = []
        if self._asked is not None:
            try:
                found += ray.get(self._asked, timeout=WAIT_S if is_complete else 0)
            except GetTimeoutError:
                return []
            except RayError as error:  # what it held is lost; no score is
                logger.warning("Reports of trainings were lost: %s", error)
        self._asked = self._actor.take.remote()
        return [*found, *self.take(is_complete=False)] if is_complete and self._has_answer() else found

    def _has_answer(self) -> bool:
        return bool(ray.wait([self._asked], timeout=WAIT_S)[0])

    def close(self) -> None:
        """End the actor, and drop what it holds."""
        if self._actor is not None:
            ray.kill(self._actor)
        self._actor = self._asked = None


class ReportsToMailbox:
    """Reports of a worker on their way to the mailbox, for which it does not wait."""

    def __init__(self) -> None:
        self._mailbox: Any = None
        self._last: Any = None
        self._trials: dict[TrialRequest, str] = {}

    def begin(self, mailbox: Any, trials: dict[TrialRequest, str]) -> None:
        """Report on these trials from now on; to nobody if the mailbox is None."""
        self._mailbox, self._trials = mailbox, trials

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        """Send a point of the learning curves of a training."""
        if self._mailbox is not None and request in self._trials:
            self._last = self._mailbox.put_point.remote(self._trials[request], progress)

    def log(self, request: TrialRequest, text: str) -> None:
        """Send further output of a training."""
        if self._mailbox is not None and request in self._trials:
            self._last = self._mailbox.put_log.remote(self._trials[request], text)

    def flush(self) -> None:
        """Wait until the mailbox has everything; what it does not take is lost, and no score with it."""
        if self._last is not None:
            last, self._last = self._last, None
            try:
                ray.get(last, timeout=WAIT_S)
            except (RayError, GetTimeoutError) as error:
                logger.warning("Reports of a training were lost: %s", error)

    def is_cancelled(self) -> bool:
        """Return False: a training that nobody waits for is ended with its actor."""
        return False
