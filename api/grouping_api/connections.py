"""Connections that are cut off when their caller sends nothing more of a request that it has begun.

The server that is used has a time limit between two requests only: a caller that never sends its headers, or
stops in the middle of a body, would hold its connection for ever.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedConnection(H11Protocol):
    """A connection with time limits; see `timed_connection`."""

    header_time_s: float
    silence_s: float
    _timer: asyncio.TimerHandle | None = None
    _is_in_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect headers."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what was sent, and expect the rest of it."""
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect(self) -> None:
        state = self.conn.their_state
        if state is h11.IDLE and (self.cycle is None or self.cycle.response_complete):
            if not self._is_in_headers:  # however slowly they come, the time counts from the first byte
                self._expect_nothing()
                self._is_in_headers = True
                self._timer = self.loop.call_later(self.header_time_s, self._cut_off)
        elif state is h11.SEND_BODY:
            self._expect_nothing()
            self._timer = self.loop.call_later(self.silence_s, self._cut_off_if_silent)
        else:
            self._expect_nothing()

    def _expect_nothing(self) -> None:
        self._is_in_headers = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def _cut_off_if_silent(self) -> None:
        if self.flow.read_paused:  # it is the application that does not read
            self._timer = self.loop.call_later(self.silence_s, self._cut_off_if_silent)
        elif self.conn.their_state is h11.SEND_BODY:
            self._cut_off()


def timed_connection(*, header_time_s: float, silence_s: float) -> type[TimedConnection]:
    """Make the class of connections with time limits.

    Args:
        header_time_s: seconds from the connection, or the first byte of a further request, to the end of its
            headers.
        silence_s: most seconds between two parts of a body.
    """
    limits = {"header_time_s": header_time_s, "silence_s": silence_s}
    return type("LimitedConnection", (TimedConnection,), limits)
