"""Latency of a network: the measured time of a forward pass of one row on this machine.

It stands beside the multiply-adds, which it follows loosely: in small networks most of it is the dispatch of
operations, of which methods of sharing need different numbers. It is a figure of one machine under its load.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.training.blueprint import Blueprint
from grouping.training.cost import network_widths
from grouping.training.methods import build_encoder, build_network

N_WARM_UP = 5
N_PASSES = 30


def measure_latency(
    n_features: int,
    tasks: Sequence[Task],
    network: Network,
    recipe: Recipe,
    device: torch.device | None = None,
) -> float:
    """Measure the median seconds of a forward pass of one row, heads included; lower is better.

    The weights are the initial ones: they do not change the time. Where a method fits its structure to the
    data, that before the fitting is measured.

    Args:
        n_features: width of the inputs.
        tasks: tasks of the problem.
        network: group and size of the network.
        recipe: recipe that it is built by.
        device: device to run it on; the CPU unless given.

    Raises:
        InvalidInputError: if the size is too small or too large to build.
    """
    encoder = build_encoder(recipe, n_features)
    members = tuple(task for task in tasks if task.name in network.group)
    widths = network_widths(recipe, encoder, members, network.size)
    place = torch.device("cpu") if device is None else device
    built = build_network(recipe, Blueprint(encoder, widths, members)).to(place).eval()
    row = torch.zeros(1, n_features, device=place)
    times = []
    with torch.inference_mode():
        for _ in range(N_WARM_UP + N_PASSES):
            started = time.perf_counter()
            built(row)
            if place.type == "cuda":
                torch.cuda.synchronize(place)
            times.append(time.perf_counter() - started)
    return statistics.median(times[N_WARM_UP:])
