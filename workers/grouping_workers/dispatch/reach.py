"""Whether a Ray cluster can be reached, asked without Ray, which tries for minutes."""

from __future__ import annotations

import socket
import time

REACH_TIMEOUT_S = 3.0
CHECK_S = 2.0


def refuse_unreachable(address: str) -> None:
    """Raise within seconds where nothing listens at the address of a cluster.

    Raises:
        ConnectionError: if it cannot be reached.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not host or "//" in address:
        return  # such as "auto": Ray knows where to look
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConnectionError(f"No Ray cluster answers at {address}: {reason}.") from error


class Reachability:
    """Whether the cluster at an address can be reached, looked at again every few seconds.

    Args:
        address: the address; None for a cluster of one's own.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._looked_at: float | None = None
        self._trouble = ""

    def trouble(self) -> str:
        """Return why it cannot be reached, for people; empty where it can."""
        now = time.monotonic()
        if self._address is not None and (self._looked_at is None or now - self._looked_at >= CHECK_S):
            try:
                refuse_unreachable(self._address)
                self._trouble = ""
            except ConnectionError as error:
                self._trouble = str(error)
            self._looked_at = time.monotonic()
        return self._trouble
