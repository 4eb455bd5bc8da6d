"""Inference cost, measured: multiply-adds of a forward pass of one row, and widths for a given size.

Every grouping runs each task's head exactly once, so heads cost the same in all of them; the standard
network time (SNT) counts all of a network but its heads, in units of one full-size encoder. See
``docs/decisions/0004-normalised-losses-and-costs.md``. Where tasks do not share every layer, a network of
several tasks therefore costs more than its size: the size says how wide its encoders are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from grouping.domain.networks import Network
from grouping.domain.recipes import MAX_WIDTH, Recipe
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.methods import build_encoder, build_network, cost_key


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What one row costs in a network.

    Attributes:
        encoder_multiply_adds: of all but the heads.
        head_multiply_adds: of the head of each task of the group, by name.
        widths: of the stages of an encoder.
        cost_snt: the former divided by those of one full-size encoder.
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
        recipe: gives the architecture, and the widths at size 1.

    Raises:
        InvalidInputError: if a network has an unknown task, or a size too small or too large to build.
    """
    encoder = build_encoder(recipe, n_features)
    known = {task.name for task in tasks}
    full = _encoder_multiply_adds(encoder, recipe.hidden)
    counted: dict[Hashable, int] = {}
    costs = []
    for network in networks:
        if unknown := network.group - known:
            raise InvalidInputError(f"Network {network} has unknown tasks: {', '.join(sorted(unknown))}.")
        members = tuple(task for task in tasks if task.name in network.group)
        widths = scaled_widths(encoder, recipe.hidden, network.size)
        key = (widths, cost_key(recipe, members))
        if key not in counted:
            built = build_network(recipe, Blueprint(encoder, widths, members, device="meta"))
            counted[key] = _multiply_adds(built.features, n_features)
        heads = {task.name: _head_multiply_adds(encoder, widths, task) for task in members}
        costs.append(NetworkCost(counted[key], heads, widths, counted[key] / full))
    return tuple(costs)


@lru_cache(maxsize=1024)
def scaled_widths(encoder: Encoder, hidden: tuple[int, ...], size: float) -> tuple[int, ...]:
    """The widest uniform scaling of `hidden` whose encoder costs at most `size` times the full one.

    Widths are `Encoder.scaled` by the largest factor ``a`` that fits; size 1 gives `hidden` itself. The cost
    grows with ``a``, and changes only where some product is whole, so a bisection over those factors is
    exact.

    Raises:
        InvalidInputError: if the narrowest encoder costs more, or a width would exceed `MAX_WIDTH`.
    """
    if size == 1:
        return hidden
    full = _encoder_multiply_adds(encoder, hidden)
    # A factor of size + 1 is always too wide: every width is then above size times the full one. So is one
    # that takes the widest layer past MAX_WIDTH; the first such factor is kept, to be refused below.
    largest = min(Fraction(size) + 1, Fraction(MAX_WIDTH + 1, max(hidden)))
    factors = sorted({Fraction(k, w) for w in set(hidden) for k in range(1, int(largest * w) + 1)})
    low, high = -1, len(factors)  # low fits (once it is not -1), high does not
    while high - low > 1:
        middle = (low + high) // 2
        if _encoder_multiply_adds(encoder, encoder.scaled(hidden, factors[middle])) / full <= size:
            low = middle
        else:
            high = middle
    if low < 0:
        raise InvalidInputError(
            f"A network of size {size:g} is narrower than the narrowest encoder: with hidden widths "
            f"{', '.join(map(str, hidden))} choose a larger size."
        )
    widths = encoder.scaled(hidden, factors[low])
    if max(widths) > MAX_WIDTH:
        raise InvalidInputError(f"A network of size {size:g} needs layers wider than {MAX_WIDTH} units.")
    return widths


@lru_cache(maxsize=65_536)
def _encoder_multiply_adds(encoder: Encoder, widths: tuple[int, ...]) -> int:
    stages = nn.Sequential(*Blueprint(encoder, widths, (), device="meta").stages())
    return _multiply_adds(stages, encoder.n_features)


@lru_cache(maxsize=4096)
def _head_multiply_adds(encoder: Encoder, widths: tuple[int, ...], task: Task) -> int:
    blueprint = Blueprint(encoder, widths, (task,), device="meta")
    head = blueprint.head(task)
    features = _run(nn.Sequential(*blueprint.stages()), encoder.n_features)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        head(features)
    return int(counter.get_total_flops()) // 2


def _multiply_adds(forward: Callable[[Tensor], object], n_features: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward(torch.zeros(1, n_features, device="meta"))
    # The counter counts a multiplication and an addition as two operations.
    return int(counter.get_total_flops()) // 2


def _run(stages: nn.Module, n_features: int) -> Tensor:
    with torch.no_grad():
        features: Tensor = stages(torch.zeros(1, n_features, device="meta"))
    return features
