"""Latency of every network of a score table, measured where a bundle is to run, as a further cost of it.

A bundle says how its networks are built, and so how all networks of its job are, at any size. They are built
at their initial weights, which change no time, and are timed in turn. Networks that are built alike, of one
size and with heads of the same shapes, are measured once.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from statistics import median

import numpy as np

from grouping.bundle.bench import initial_network, time_in_turn, trial_inputs
from grouping.bundle.manifest import Manifest
from grouping.bundle.networks import ServingNetwork
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError
from grouping.training.methods import cost_key

LATENCY = "latency_ms"
"""Name of the cost."""


def with_latencies(table: ScoreTable, manifest: Manifest, batch: int = 1, n_passes: int = 200) -> ScoreTable:
    """Return a score table with the latency of its networks here as the further cost ``latency_ms``.

    It is the median time of a batch, from inputs to raw outputs, with the heads of all tasks of the network;
    in milliseconds, lower is better. A cost of that name that the table has is replaced.

    Args:
        table: table of the job that the bundle is of.
        manifest: manifest of the bundle.
        batch: rows of a batch.
        n_passes: timed passes of each network.

    Raises:
        InvalidInputError: if the table has a task that the bundle does not know, a network cannot be built
            at its size, or a batch or the number of passes is not positive.
        BundleError: if a network cannot be built here.
    """
    tasks = {bundled.task.name: bundled.task for bundled in manifest.tasks}
    if unknown := [name for name in table.task_names if name not in tasks]:
        raise InvalidInputError(
            f"The table has tasks that the bundle does not answer: {', '.join(unknown)}. Take the table of "
            "its job."
        )
    if batch < 1 or n_passes < 1:
        raise InvalidInputError("A batch has 1 row or more, and 1 pass or more is timed.")

    def kind_of(network: Network) -> Hashable:
        members = tuple(task for name, task in tasks.items() if name in network.group)
        heads = sorted((str(task.kind), task.n_outputs, task.reads) for task in members)
        return network.size, cost_key(manifest.recipe, members), tuple(heads)

    kinds = [kind_of(network) for network in table.networks]
    built: dict[Hashable, ServingNetwork] = {}
    for kind, network in zip(kinds, table.networks, strict=True):
        if kind not in built:
            built[kind] = initial_network(network, tasks, manifest)
    seconds = time_in_turn(built, trial_inputs(manifest, batch), n_passes)
    latencies = {kind: 1000 * median(found) for kind, found in seconds.items()}
    costs = np.array([latencies[kind] for kind in kinds])
    return replace(table, other_costs={**table.other_costs, LATENCY: costs})
