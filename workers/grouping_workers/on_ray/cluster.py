"""Connection to a Ray cluster, and its size."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from typing import Any

import ray

from grouping.domain.trainings.resources import Resources
from grouping_workers.settings import OBJECT_STORE_BYTES, RaySettings


def connect(
    address: str | None, n_workers: int | None, empty_folder: str, sessions: str | None = None
) -> None:
    """Join the cluster at `address`, or start a private one on this machine.

    Args:
        address: as ``ray.init`` takes it; None starts a local cluster that ends with this process.
        n_workers: processors of the local cluster; all unless given.
        empty_folder: Ray lets its workers import from the folder in which it is started. This one has nothing
            that could be taken for one of our modules, and has to last as long as the cluster.
        sessions: folder in which a local cluster keeps its files; Ray's usual one unless given.

    Raises:
        RayError, ConnectionError: if there is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # Unset, Ray warns on every start that a later release will stop hiding GPUs from CPU-only tasks.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray's own 15 leaves trainings next to nothing beside other programs; API and solver still go first.
    os.environ.setdefault("RAY_worker_niceness", "5")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address is None:
        address = "local"  # otherwise Ray joins whatever cluster it finds on this machine
        options |= {
            "num_cpus": n_workers,
            "include_dashboard": False,
            "_temp_dir": sessions,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    with contextlib.chdir(empty_folder):
        ray.init(address=address, **options)


def require_alive() -> None:
    """Raise if no node of the cluster is left: nothing that is submitted would ever run.

    Raises:
        ConnectionError: if every node is dead.
    """
    if not any(node["Alive"] for node in ray.nodes()):
        raise ConnectionError("Every node of the Ray cluster is dead.")


def cluster_resources() -> Mapping[str, float]:
    """Return what the whole cluster has by Ray's names: ``CPU``, ``GPU``, ``memory`` in bytes, others."""
    found: Mapping[str, float] = ray.cluster_resources()
    return {name: amount for name, amount in found.items() if not name.startswith(("node:", "object_store"))}


def usual_resources(settings: RaySettings) -> Resources:
    """Return what a training holds unless its trainer says otherwise: a processor, and a share of a GPU."""
    has_gpus = bool(ray.cluster_resources().get("GPU", 0.0))
    return Resources(gpus=1 / settings.trials_per_gpu if has_gpus else 0.0)
