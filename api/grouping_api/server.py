"""The server of the API: connections with time limits, and an end within seconds whatever is under way."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from grouping_api.connections import timed_connection

ANSWERS_S = 3
"""Seconds that answers under way may still take once the server is to stop."""
END_S = 8.0
"""Seconds after which it ends in any case; what is committed counts, and nothing else is kept here."""
MOST_FILES = 65_536
_LOG = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Server of an application; its settings are in the state of the application."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        settings = app.state.settings
        connection = timed_connection(header_time_s=settings.header_time_s, silence_s=settings.silence_s)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=connection,
                ws="none",
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=ANSWERS_S,
            )
        )

    def stop(self) -> None:
        """Have the server stop, and end this process soon in any case; safe to call from any thread."""
        self.should_exit = True
        end = threading.Timer(END_S, _end)
        end.daemon = True
        end.start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop by a signal."""
        super().handle_exit(sig, frame)
        self.stop()

    def run_until_stopped(self) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; a stop on purpose is no failure."""
        _allow_files()

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.should_exit:  # before the server listens to signals; it raises them again at its end
                self.stop()

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.run()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _end() -> None:
    _LOG.warning("What was under way did not end within %g s; it is cut off.", END_S)
    os._exit(0)


def _allow_files() -> None:
    """Allow as many connections as the system lets this process have."""
    import resource  # not on every system

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
