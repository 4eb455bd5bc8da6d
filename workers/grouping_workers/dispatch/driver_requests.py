"""Requests to the driver other than trainings, each of which has one answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from grouping.errors import TrainingError
from grouping_workers.dispatch.driver_process import DriverProcess
from grouping_workers.messages import Answer, Measured, Order, Ready, Refused, Resized

POLL_S = 0.5

Wanted = TypeVar("Wanted", Measured, Ready)


class DriverRequests:
    """Sends an order to the driver and waits for the answer, unless the job ends meanwhile.

    Args:
        driver: the Ray driver.
        stop: set when the dispatcher should give the job back.
        is_cancelled: whether a user asked to end the job.

    Attributes:
        is_open: whether an answer is still to come. It stays so when the wait was given up: the driver then
            has to be ended before it is asked for anything else.
    """

    def __init__(
        self, driver: DriverProcess, stop: threading.Event, is_cancelled: Callable[[], bool]
    ) -> None:
        self._driver = driver
        self._stop = stop
        self._is_cancelled = is_cancelled
        self.is_open = False

    def ask(self, order: Order, wanted: type[Wanted]) -> Wanted | None:
        """Send an order and return the answer; None when cancelled or told to stop.

        Raises:
            TrainingError: if the driver refuses the order.
            WorkerLostError: if the driver died.
        """
        self._driver.send(order)
        self.is_open = True
        while not self._stop.is_set():
            answer = self._driver.receive(POLL_S)
            if isinstance(answer, Resized):
                continue  # the answer waited for tells the size at its own time
            if answer is not None:
                self.is_open = False
                if not isinstance(answer, wanted):
                    raise unexpected(answer)
                return answer
            if self._is_cancelled():
                return None
        return None


def unexpected(answer: Answer) -> TrainingError:
    """Return the error for an answer of the wrong kind: the driver's reason, if it refused."""
    if isinstance(answer, Refused):
        return TrainingError(answer.reason)
    return TrainingError(f"Unexpected answer {type(answer).__name__}.")
