"""Requests that are carried out together: what comes while one call is under way is the next call.

A commit costs about as much for a hundred results as for one, and a hundred transactions that want the lock
of one job only queue up. Nobody waits for others to come: a single request is carried out at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from grouping.errors import GroupingError

A = TypeVar("A")
B = TypeVar("B")

MOST_AT_ONCE = 100
"""Requests of one call; the others wait for the next one."""


class Gathering(Generic[A, B]):
    """Carries out requests by calls of many; safe to use from any thread.

    A thread runs while there is anything to do.

    Args:
        call: function that carries out requests; gives for each its answer, or the error to raise.
    """

    def __init__(self, call: Callable[[Sequence[A]], Sequence[B | GroupingError]]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._waiting: list[tuple[A, Future[B]]] = []
        self._is_serving = False

    def submit(self, request: A) -> Future[B]:
        """Have a request carried out; the answer is there once that is committed."""
        answer: Future[B] = Future()
        with self._lock:
            self._waiting.append((request, answer))
            if not self._is_serving:
                self._is_serving = True
                threading.Thread(target=self._serve, name="gathering", daemon=True).start()
        return answer

    def _serve(self) -> None:
        while True:
            with self._lock:
                now, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                if not now:
                    self._is_serving = False
                    return
            # One that nobody waits for any more is left out; from here on no other can be withdrawn.
            if wanted := [item for item in now if item[1].set_running_or_notify_cancel()]:
                self._carry_out(wanted)

    def _carry_out(self, now: Sequence[tuple[A, Future[B]]]) -> None:
        try:
            answers = self._call([request for request, _ in now])
        except Exception as error:  # noqa: BLE001 - raised in each request; the next ones are carried out
            for _, answer in now:
                answer.set_exception(error)
            return
        for (_, answer), given in zip(now, answers, strict=True):
            if isinstance(given, GroupingError):
                answer.set_exception(given)
            else:
                answer.set_result(given)
