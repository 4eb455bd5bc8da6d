"""Server of processes: it has imported what computes, and makes a copy of itself for each call.

    python -I -m grouping.computing.server MODULE...

So a process is there within some milliseconds, though what it needs takes a second to import, and its memory
is given back when it ends. The server reads nothing of a call: for each connection that it is given it forks,
and the copy reads the call. It ends when its standard input, a socket, does; on Linux its copies end with it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import math
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from grouping.computing.messages import Call, Failed, Item, Raised, Returned, receive, send
from grouping.errors import GroupingError
from grouping.guarded_process import NICENESS

_PR_SET_PDEATHSIG = 1


def serve(modules: list[str]) -> None:
    """Import modules, then fork for each connection until there are no more."""
    control = socket.socket(fileno=os.dup(0))
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that this one serves
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies that end need not be waited for
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what a copy collects need not touch what is shared
    own = os.getpid()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        connection = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            control.close()
            _answer(connection, own)
        connection.close()


def _answer(connection: socket.socket, server: int) -> NoReturn:
    """Answer one call, and end."""
    try:
        _end_with(server)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        send(connection, os.getpid())
        call: Call = receive(connection)
        _limit(call)
        _carry_out(call, connection)
    except (EOFError, BrokenPipeError):
        pass  # nobody waits any more
    except BaseException:  # noqa: BLE001 - a copy never goes on as the server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _carry_out(call: Call, connection: socket.socket) -> None:
    try:
        value = call.function(*call.arguments, **call.options)
        if inspect.isgenerator(value):
            for item in value:
                send(connection, Item(item))
            value = None
        send(connection, Returned(value))
    except GroupingError as error:
        send(connection, Raised.of(error))
    except MemoryError:
        send(connection, Failed(traceback.format_exc(), is_out_of_memory=True))
    except (EOFError, BrokenPipeError):
        raise
    except Exception:  # noqa: BLE001 - logged where the call came from
        send(connection, Failed(traceback.format_exc(), is_out_of_memory=False))


def _limit(call: Call) -> None:
    import resource  # not on every system, and needed by this side only

    seconds = math.ceil(call.time_limit_s) + 1
    resource.setrlimit(resource.RLIMIT_AS, (call.memory_limit_bytes, call.memory_limit_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # holds even when everybody else is gone
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with(server: int) -> None:
    """Have the system end this copy when the server ends, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


if __name__ == "__main__":
    serve(sys.argv[1:])
