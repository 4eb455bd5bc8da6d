"""Inference cost, measured: multiply-adds of a forward pass of one row, and widths for a given size.

Every grouping runs each task's head exactly once, so heads cost the same in all of them; the standard
network time (SNT) counts the encoder only. See ``docs/decisions/0004-normalised-losses-and-costs.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from grouping.domain.networks import Network
from grouping.domain.recipes import MAX_WIDTH, Recipe
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.training.networks import build_encoder


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What one row costs in a network.

    Attributes:
        encoder_multiply_adds: of the shared encoder.
        head_multiply_adds: of the head of each task of the group, by name.
        widths: hidden widths of the encoder.
        cost_snt: encoder multiply-adds divided by those of the full-size encoder; at most the size.
    """

    encoder_multiply_adds: int
    head_multiply_adds: Mapping[str, int]
    widths: tuple[int, ...]
    cost_snt: float


def measure_costs(
    n_features: int, tasks: Sequence[Task], networks: Sequence[Network], recipe: Recipe
) -> tuple[NetworkCost, ...]:
    """Cost of each network, in the order given.

    Args:
        n_features: width of the inputs.
        tasks: tasks of the problem.
        networks: candidates; their `cost_snt` is not read.
        recipe: gives the hidden widths at size 1.

    Raises:
        InvalidInputError: if a network has an unknown task, or a size too small or too large to build.
    """
    outputs = {task.name: task.n_outputs for task in tasks}
    full = _encoder_multiply_adds(n_features, recipe.hidden)
    costs = []
    for network in networks:
        if unknown := network.group - outputs.keys():
            raise InvalidInputError(f"Network {network} has unknown tasks: {', '.join(sorted(unknown))}.")
        widths = scaled_widths(n_features, recipe.hidden, network.size)
        encoder = _encoder_multiply_adds(n_features, widths)
        heads = {
            name: _head_multiply_adds(widths[-1], n_outputs)
            for name, n_outputs in outputs.items()
            if name in network.group
        }
        costs.append(NetworkCost(encoder, heads, widths, encoder / full))
    return tuple(costs)


@lru_cache(maxsize=1024)
def scaled_widths(n_features: int, hidden: tuple[int, ...], size: float) -> tuple[int, ...]:
    """The widest uniform scaling of `hidden` whose encoder costs at most `size` times the full one.

    Every width is ``floor(a * width)``, at least 1, with the largest common factor ``a`` that fits; size 1
    gives `hidden` itself. The cost grows with ``a``, and changes only where some product is whole, so a
    bisection over those factors is exact.

    Raises:
        InvalidInputError: if the narrowest encoder costs more, or a width would exceed `MAX_WIDTH`.
    """
    if size == 1:
        return hidden
    full = _encoder_multiply_adds(n_features, hidden)
    # A factor of size + 1 is always too wide: every width is then above size times the full one. So is one
    # that takes the widest layer past MAX_WIDTH; the first such factor is kept, to be refused below.
    largest = min(Fraction(size) + 1, Fraction(MAX_WIDTH + 1, max(hidden)))
    factors = sorted({Fraction(k, w) for w in set(hidden) for k in range(1, int(largest * w) + 1)})
    low, high = -1, len(factors)  # low fits (once it is not -1), high does not
    while high - low > 1:
        middle = (low + high) // 2
        if _encoder_multiply_adds(n_features, _scaled(hidden, factors[middle])) / full <= size:
            low = middle
        else:
            high = middle
    if low < 0:
        raise InvalidInputError(
            f"A network of size {size:g} is narrower than one unit per layer: with hidden widths "
            f"{', '.join(map(str, hidden))} choose a larger size."
        )
    widths = _scaled(hidden, factors[low])
    if max(widths) > MAX_WIDTH:
        raise InvalidInputError(f"A network of size {size:g} needs layers wider than {MAX_WIDTH} units.")
    return widths


def _scaled(hidden: tuple[int, ...], factor: Fraction) -> tuple[int, ...]:
    return tuple(max(1, int(width * factor)) for width in hidden)


@lru_cache(maxsize=65_536)
def _encoder_multiply_adds(n_features: int, widths: tuple[int, ...]) -> int:
    return _multiply_adds(build_encoder(n_features, widths, "meta"), n_features)


@lru_cache(maxsize=4096)
def _head_multiply_adds(n_inputs: int, n_outputs: int) -> int:
    return _multiply_adds(nn.Linear(n_inputs, n_outputs, device="meta"), n_inputs)


def _multiply_adds(module: nn.Module, n_features: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, n_features, device="meta"))
    # The counter counts a multiplication and an addition as two operations.
    return int(counter.get_total_flops()) // 2
