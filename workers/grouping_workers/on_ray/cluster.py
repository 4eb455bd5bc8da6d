"""Connection to a Ray cluster, and its size."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any

import ray

from grouping_workers.settings import DriverSettings

LOCAL_OBJECT_STORE_BYTES = 512 * 2**20


def connect(address: str | None, n_workers: int | None, empty_folder: str) -> None:
    """Join the cluster at `address`, or start a private one on this machine.

    Args:
        address: as ``ray.init`` takes it; None starts a local cluster that ends with this process.
        n_workers: processors of the local cluster; all unless given.
        empty_folder: Ray lets its workers import from the folder in which it is started. This one has nothing
            that could be taken for one of our modules, and has to last as long as the cluster.

    Raises:
        RayError, ConnectionError: if there is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # Unset, Ray warns on every start that a later release will stop hiding GPUs from CPU-only tasks.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address is None:
        address = "local"  # otherwise Ray joins whatever cluster it finds on this machine
        options |= {
            "num_cpus": n_workers,
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
        }
    with contextlib.chdir(empty_folder):
        ray.init(address=address, **options)


def is_alive() -> bool:
    """Return whether any node of the cluster is left; without one, nothing submitted will ever run."""
    return any(node["Alive"] for node in ray.nodes())


def count_workers(settings: DriverSettings) -> int:
    """Count workers at the same time: one per processor, at most as many as may share the GPUs."""
    resources = ray.cluster_resources()
    n_workers = max(1, int(resources.get("CPU", 1)))
    if gpus := int(resources.get("GPU", 0)):
        n_workers = min(n_workers, gpus * settings.trials_per_gpu)
    return n_workers if settings.n_workers is None else min(settings.n_workers, n_workers)


def gpu_share(settings: DriverSettings) -> float:
    """Return the fraction of a GPU reserved per worker; 0 without GPUs."""
    return 1 / settings.trials_per_gpu if ray.cluster_resources().get("GPU", 0.0) else 0.0
