"""Workers that ask for a training, served together and in the order in which they came.

However many wait, one thread looks into the database for all of them, and leases what is there in one
transaction per job. So a thousand that wait cost little more than one, and each gets a training within one
look after it was planned.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from grouping.store import Store, TrialLease, TrialWanted

MOST_AT_ONCE = 100
"""Workers that are served in one transaction; the others wait a little longer, but none for seconds."""


@dataclass(eq=False, slots=True)
class Ask:
    """A worker that asks.

    Attributes:
        wanted: what it asks for.
        until: time of the monotonic clock until which it waits.
        answer: the lease; None when there is none in time, or all jobs that it names have ended.
    """

    wanted: TrialWanted
    until: float
    answer: Future[TrialLease | None] = field(default_factory=Future)


class LeaseDesk:
    """Leases trials to workers that ask; safe to use from any thread.

    The thread runs while there is anybody to serve.

    Args:
        store: the database.
        poll_s: seconds between two looks while there is no trial for those who wait.
    """

    def __init__(self, store: Store, poll_s: float) -> None:
        self._store = store
        self._poll_s = poll_s
        self._changed = threading.Condition()
        self._asks: list[Ask] = []
        self._is_serving = False
        self._is_closed = False

    def ask(self, wanted: TrialWanted, wait_s: float) -> Ask:
        """Queue up a worker, which is served once even if it does not wait."""
        ask = Ask(wanted, time.monotonic() + wait_s)
        with self._changed:
            self._asks.append(ask)
            self._changed.notify()
            if not self._is_serving:
                self._is_serving = True
                threading.Thread(target=self._serve, name="lease desk", daemon=True).start()
        return ask

    def withdraw(self, ask: Ask) -> None:
        """Answer a worker that waits no more with None; with a lease, if it is being served right now."""
        with self._changed:
            ask.until = 0.0
            if ask in self._asks:
                self._asks.remove(ask)
                ask.answer.set_result(None)

    def close(self) -> None:
        """Let nobody wait any longer; who asks from now on is served once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _serve(self) -> None:
        unserved: list[Ask] = []
        while True:
            with self._changed:
                self._asks[:0] = unserved
                if not self._asks:
                    self._is_serving = False
                    return
                if unserved and len(unserved) == len(self._asks):  # nobody came meanwhile
                    self._changed.wait(self._poll_s)
                served, self._asks = self._asks, []
            unserved = []
            for start in range(0, len(served), MOST_AT_ONCE):
                unserved += self._answer(served[start : start + MOST_AT_ONCE])

    def _answer(self, asks: Sequence[Ask]) -> list[Ask]:
        """Serve some workers; return those that are to wait."""
        try:
            leases = self._store.lease_trials([ask.wanted for ask in asks])
            left = [ask for ask, lease in zip(asks, leases, strict=True) if lease is None]
            named = {job_id for ask in left for job_id in ask.wanted.job_ids or ()}
            unfinished = self._store.unfinished_jobs(named) if named else set()
        except Exception as error:  # noqa: BLE001 - raised in each request; the desk serves the next ones
            for ask in asks:
                ask.answer.set_exception(error)
            return []
        waiting = []
        for ask, lease in zip(asks, leases, strict=True):
            ids = ask.wanted.job_ids
            is_in_time = not self._is_closed and time.monotonic() < ask.until
            if lease is None and is_in_time and (ids is None or not unfinished.isdisjoint(ids)):
                waiting.append(ask)
            else:
                ask.answer.set_result(lease)
        return waiting
