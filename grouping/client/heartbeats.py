"""Heartbeats: a thread that keeps the lease of a training while it runs, and carries what it tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from grouping.client.assignments import Assignment, Assignments
from grouping.client.connection import ServiceError
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import LeaseLostError, StoreUnavailableError
from grouping.wire.leases import MAX_POINTS, MAX_TEXT

HEARTBEAT_S = 5.0
"""The most seconds between two heartbeats, so that a cancelled training ends soon."""

logger = logging.getLogger(__name__)


class Heartbeats:
    """Keeps a lease while it trains, and carries what the training tells; see `TrainingReports`.

    Args:
        service: where the training was leased.
        assignment: the training.
        stop: set when the agent is to end.
        on_log: takes the output of the training, too.
    """

    def __init__(
        self,
        service: Assignments,
        assignment: Assignment,
        stop: threading.Event,
        on_log: Callable[[str], None] | None = None,
    ) -> None:
        self._service = service
        self._assignment = assignment
        self._stop = stop
        self._on_log = on_log
        self._lock = threading.Lock()
        self._points: list[Progress] = []
        self._text = ""
        self._is_unwanted = False
        self.is_lost = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        """Take a point of the learning curves, for the next heartbeat."""
        with self._lock:
            self._points = [*self._points, progress][-MAX_POINTS:]

    def log(self, request: TrialRequest, text: str) -> None:
        """Take further output, for the next heartbeat."""
        if self._on_log is not None:
            self._on_log(text)
        with self._lock:
            self._text = (self._text + text)[-MAX_TEXT:]

    def is_cancelled(self) -> bool:
        """Tell whether the job is cancelled, the lease is lost, or the agent is to end."""
        return self._is_unwanted or self._stop.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _beat(self) -> None:
        pause_s = min(HEARTBEAT_S, self._assignment.lease_s / 3)
        while not (self._is_over.wait(pause_s) or self.is_lost):
            self._send()
        if self._points or self._text:
            self._send()

    def _send(self) -> None:
        with self._lock:
            points, text = self._points, self._text
            self._points, self._text = [], ""
        try:
            self._is_unwanted |= self._service.heartbeat(self._assignment, points, text)
        except StoreUnavailableError:
            with self._lock:  # the training goes on, and nothing that it told is lost
                self._points = [*points, *self._points][-MAX_POINTS:]
                self._text = (text + self._text)[-MAX_TEXT:]
        except ServiceError as error:
            if error.code == LeaseLostError.code:
                self.is_lost = self._is_unwanted = True
            else:
                logger.warning("A heartbeat of %s was refused: %s", self._assignment, error)
