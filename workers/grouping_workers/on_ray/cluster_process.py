"""The process that holds a dispatcher's own Ray cluster; the processes of jobs join it by its address."""

from __future__ import annotations

import contextlib
import logging
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import ray

from grouping_workers.dispatch.messages import Join, ProcessEnded
from grouping_workers.dispatch.private_cluster import SESSIONS
from grouping_workers.on_ray.cluster import connect, require_alive

HEALTH_CHECK_S = 2.0


def run_cluster(pipe: Connection, n_workers: int | None, folder: Path) -> None:
    """Start a cluster on this machine, tell its address, and keep it until the pipe's other end closes.

    Args:
        pipe: one end of the pipe to the dispatcher.
        n_workers: processors of the cluster; all of the machine if None.
        folder: the folder of `private_surroundings`.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s ray: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the dispatcher's to handle
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    try:
        connect(None, n_workers, str(empty), str(folder / SESSIONS))
        pipe.send(Join(ray.get_runtime_context().gcs_address))
        with contextlib.suppress(EOFError, OSError):
            while not pipe.poll(HEALTH_CHECK_S):
                require_alive()
            pipe.recv()
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(ProcessEnded(f"{type(error).__name__}: {error}"))
        raise
    finally:
        ray.shutdown()
