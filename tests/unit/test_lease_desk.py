"""Callers that leave while the desk serves them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest
from fastapi import Request

from grouping.store import Store, TrialLease, TrialWanted
from grouping_api.lease_desk import LeaseDesk
from grouping_api.routes.leases import _answered


class SlowStore:
    """Answers that there is nothing, once it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_answer = threading.Event()

    def lease_trials(self, wanted: Sequence[TrialWanted]) -> list[TrialLease | None]:
        """Lease nothing."""
        self.begun.set()
        self.may_answer.wait()
        return [None for _ in wanted]

    def unfinished_jobs(self, job_ids: set[str]) -> set[str]:
        """Every job has ended."""
        return set()


class Gone:
    """A request whose caller has gone."""

    async def is_disconnected(self) -> bool:
        """Tell so."""
        return True


def test_the_desk_serves_others_after_a_caller_was_cancelled_while_it_was_served() -> None:
    store = SlowStore()
    desk = LeaseDesk(cast(Store, store), poll_s=0.01)
    wanted = TrialWanted("a worker", job_ids=("a" * 32,))

    async def leave() -> None:
        ask = desk.ask(wanted, wait_s=60)
        served = asyncio.create_task(_answered(desk, ask, cast(Request, Gone())))
        while not store.begun.is_set() or ask.until:  # until the caller is known to be gone
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        served.cancel()
        with pytest.raises(asyncio.CancelledError):
            await served

    asyncio.run(leave())
    store.may_answer.set()
    other: Any = desk.ask(wanted, wait_s=0).answer.result(timeout=60)
    assert other is None
