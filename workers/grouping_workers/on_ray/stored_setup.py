"""The setup of workers in Ray's object store."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import ray

from grouping.shared_arrays import handed_over_by_path
from grouping.trainers import WorkerSetup


def put_setup(setup: WorkerSetup, *, is_one_machine: bool) -> Any:
    """Put a setup into the object store and return its reference.

    Args:
        setup: the setup.
        is_one_machine: whether all workers are on this machine: large arrays are then read from the file of
            this process, and not copied into the store.
    """
    with handed_over_by_path() if is_one_machine else nullcontext():
        return ray.put(setup)
