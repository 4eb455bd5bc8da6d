"""Measuring a bundle where it runs: latency, parameters, multiply-adds, memory, beside baselines.

The baselines cost as much and are built by the recipe of the bundle, with initial weights, which change no
time: all tasks in one network of the budget's size, and each task alone in its share of it. What is compared
is timed in turn, pass by pass, so that a busy machine is as busy for one as for the other.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from grouping.bundle.loading import Bundle
from grouping.bundle.manifest import BundledNetwork, Manifest
from grouping.bundle.networks import ServingNetwork, ServingNetworks, whole_network
from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.verdicts.baselines import BOTH_BASELINES
from grouping.errors import BundleError, InvalidInputError
from grouping.training.cost import network_widths
from grouping.training.counting import multiply_adds
from grouping.training.initialisation import generator_for
from grouping.training.methods import build_encoder

BUNDLE = "bundle"
BY_HAND = "networks by hand"
"""The networks of the bundle, called one by one: what the bundle adds to that is its own cost."""
N_WARM_UP = 5
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency of what predicts a batch, from inputs to raw outputs, in milliseconds; lower is better.

    Attributes:
        batch: rows of a batch.
        p50_ms: median over the passes.
        p95_ms: time that 95 % of the passes keep to.
    """

    batch: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a bundle, of a network of it, or of a baseline.

    Attributes:
        name: what was measured.
        n_parameters: numbers that are loaded.
        multiply_adds: of a row, heads included.
        timings: latency by the size of the batch.
    """

    name: str
    n_parameters: int
    multiply_adds: int
    timings: tuple[Timing, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """Measurements of a bundle.

    Attributes:
        measured: the bundle, its networks one by one, then the baselines that can be built.
        threads: threads that PyTorch used.
        weights_bytes: size of its weights in memory.
    """

    measured: tuple[Measured, ...]
    threads: int
    weights_bytes: int


def bench(bundle: Bundle, batches: Sequence[int] = (1, 64, 1024), n_passes: int = 200) -> Bench:
    """Measure a bundle on this machine.

    Args:
        bundle: the bundle.
        batches: rows of a batch, each measured by itself.
        n_passes: timed passes of each.

    Raises:
        InvalidInputError: if a batch or the number of passes is not positive.
    """
    if n_passes < 1 or min(batches, default=0) < 1:
        raise InvalidInputError("Batches have 1 row or more, and 1 pass or more is timed.")
    contenders = {BUNDLE: bundle.module, **baselines_of(bundle.manifest)}
    rows = {batch: trial_inputs(bundle.manifest, batch) for batch in batches}
    by_hand = {BY_HAND: bundle.module.networks}
    timings = [time_in_turn(contenders, rows[batch], n_passes, one_by_one=by_hand) for batch in batches]
    measured = [
        Measured(
            name,
            sum(p.numel() for p in module.parameters()),
            multiply_adds(partial(module, rows[batches[0]])) // batches[0],
            tuple(_timing(batch, found[name]) for batch, found in zip(batches, timings, strict=True)),
        )
        for name, module in contenders.items()
    ]
    timed = tuple(_timing(batch, found[BY_HAND]) for batch, found in zip(batches, timings, strict=True))
    measured.insert(1, replace(measured[0], name=BY_HAND, timings=timed))
    tensors = [*bundle.module.parameters(), *bundle.module.buffers()]
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return Bench(tuple(measured), torch.get_num_threads(), n_bytes)


def use_threads(threads: int) -> None:
    """Have PyTorch compute with that many threads in this process."""
    torch.set_num_threads(threads)


def baselines_of(manifest: Manifest) -> Mapping[str, ServingNetworks]:
    """Build the baselines of equal cost at their initial weights; those that no width allows are left out."""
    tasks = {bundled.task.name: bundled.task for bundled in manifest.tasks}
    found = {}
    for baseline in BOTH_BASELINES.of_cost(tuple(tasks), manifest.budget_snt):
        try:
            networks = [initial_network(network, tasks, manifest) for network in baseline.networks]
        except (InvalidInputError, BundleError):
            continue
        found[baseline.name] = ServingNetworks(networks, list(tasks))
    return found


def trial_inputs(manifest: Manifest, n_rows: int) -> Tensor:
    """Return inputs that the networks of a bundle can be run on, ``[n_rows, features]``.

    They are drawn, and no real rows: whole numbers where the encoder reads tokens, else normally distributed.
    """
    shape = (n_rows, manifest.inputs.n_features)
    generator = generator_for("trial inputs", n_rows)
    vocabulary = manifest.recipe.encoder.parameters.get("vocabulary")
    if isinstance(vocabulary, int):
        return torch.randint(1, max(2, vocabulary), shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


def resident_bytes(address: str) -> int | None:
    """Return the most memory of a fresh process that loads a bundle and predicts; None if not known."""
    program = (
        "import sys, torch, grouping.bundle.bench as b\n"
        "from grouping.bundle import load\n"
        "bundle = load(sys.argv[1])\n"
        "bundle.module(b.trial_inputs(bundle.manifest, 1))\n"
        "import resource\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None


def initial_network(network: Network, tasks: Mapping[str, Task], manifest: Manifest) -> ServingNetwork:
    """Build a network by the recipe of a bundle, at its initial weights, with the heads of all its tasks.

    Raises:
        InvalidInputError: if the recipe has no widths for its size.
        BundleError: if it cannot be built here.
    """
    recipe, n_features = manifest.recipe, manifest.inputs.n_features
    members = tuple(name for name in tasks if name in network.group)
    encoder = build_encoder(recipe, n_features)
    widths = network_widths(recipe, encoder, tuple(tasks[name] for name in members), network.size)
    described = BundledNetwork(
        network.name(list(tasks)), members, members, network.size, network.cost_snt, 0, widths, "", ""
    )
    return ServingNetwork(whole_network(recipe, described, tasks, n_features), members)


@torch.inference_mode()
def time_in_turn(
    contenders: Mapping[Name, nn.Module],
    inputs: Tensor,
    n_passes: int,
    *,
    one_by_one: Mapping[Name, Iterable[nn.Module]] | None = None,
) -> Mapping[Name, list[float]]:
    """Time modules in turn, pass by pass, so that a busy machine is as busy for one as for the other.

    Args:
        contenders: modules by name.
        inputs: inputs of all of them, ``[rows, features]``.
        n_passes: passes of each that are timed, after a few that are not.
        one_by_one: modules that are timed one by one, and added up, by a name of theirs.

    Returns:
        Seconds of each pass by name; lower is better.
    """
    parts = {name: (module,) for name, module in contenders.items()} | dict(one_by_one or {})
    found: dict[Name, list[float]] = {name: [] for name in parts}
    for _ in range(N_WARM_UP + n_passes):
        for name, modules in parts.items():
            found[name].append(sum(_pass(module, inputs) for module in modules))
    return {name: seconds[N_WARM_UP:] for name, seconds in found.items()}


def _pass(module: nn.Module, inputs: Tensor) -> float:
    started = time.perf_counter()
    module(inputs)
    return time.perf_counter() - started


def _timing(batch: int, seconds: Sequence[float]) -> Timing:
    p50, p95 = np.percentile(seconds, [50, 95])
    return Timing(batch, 1000 * float(p50), 1000 * float(p95))
