"""Requests that are carried out together, of which some are withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from grouping_api.gathering import Gathering


def test_a_request_that_is_withdrawn_takes_nobody_down() -> None:
    is_in, go_on = threading.Event(), threading.Event()
    carried_out: list[int] = []

    def call(requests: Sequence[int]) -> list[int]:
        carried_out.extend(requests)
        is_in.set()
        assert go_on.wait(60)
        return list(requests)

    desk = Gathering[int, int](call)
    first = desk.submit(1)
    assert is_in.wait(60)
    assert not first.cancel()  # it is under way
    withdrawn, third = desk.submit(2), desk.submit(3)
    assert withdrawn.cancel()
    go_on.set()
    assert (first.result(60), third.result(60), desk.submit(4).result(60)) == (1, 3, 4)
    assert carried_out == [1, 3, 4]
