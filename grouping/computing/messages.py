"""Messages between a process and those that compute for it: pickled, each after its length.

Both sides are this program, and what they tell each other is made by it: scores and solutions, never a file
of somebody else.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_LENGTH = struct.Struct("!Q")
_PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function.

    Attributes:
        function: function at the top level of a module; gives a value, or yields several.
        memory_limit_bytes: address space of the process.
        time_limit_s: processor time of the process.
    """

    function: Callable[..., Any]
    arguments: Sequence[Any]
    options: Mapping[str, Any]
    memory_limit_bytes: int
    time_limit_s: float


@dataclass(frozen=True, slots=True)
class Item:
    """One of the values that a function yields."""

    value: Any


@dataclass(frozen=True, slots=True)
class Returned:
    """The value of a function; None after all that it yields."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """An error that a function raised on purpose, in parts: not every error is made from its message."""

    kind: type[Exception]
    arguments: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """Take an error apart."""
        return cls(type(error), error.args, dict(vars(error)))

    def error(self) -> Exception:
        """Put the error together again."""
        error = self.kind.__new__(self.kind, *self.arguments)
        error.__dict__.update(self.attributes)
        return error


@dataclass(frozen=True, slots=True)
class Failed:
    """A function failed by mistake, or for want of memory.

    Attributes:
        trace: trace of the error, for the log.
        is_out_of_memory: whether it needed more than the process may have.
    """

    trace: str
    is_out_of_memory: bool


Answer = Item | Returned | Raised | Failed


def send(connection: socket.socket, message: object) -> None:
    """Send a message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    connection.sendall(_LENGTH.pack(len(data)))
    connection.sendall(data)


def receive(connection: socket.socket) -> Any:
    """Wait for a message.

    Raises:
        EOFError: if the other side is gone.
        TimeoutError: if nothing comes within the time that the connection waits.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return pickle.loads(_exactly(connection, length))  # nosec B301 # of our own process


def _exactly(connection: socket.socket, n_bytes: int) -> bytearray:
    data = bytearray()
    while len(data) < n_bytes:
        try:
            part = connection.recv(min(_PART_BYTES, n_bytes - len(data)))
        except ConnectionError as error:
            raise EOFError from error
        if not part:
            raise EOFError
        data += part
    return data
