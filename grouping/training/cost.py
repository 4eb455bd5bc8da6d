"""Inference cost: counted multiply-adds of a forward pass of one row, and widths for a given size.

Every grouping runs each task's head exactly once, so heads cost the same in all of them; the standard
network time (SNT) counts all of a network but its heads, in units of one full-size encoder. A network costs
at most its size, however its tasks share it. See ``docs/decisions/0004-normalised-losses-and-costs.md`` and
``0009-size-is-a-cost.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from grouping.domain.networks import Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import MAX_WIDTH, Method, Recipe
from grouping.errors import InvalidInputError
from grouping.training.blueprint import Blueprint, Encoder
from grouping.training.counting import multiply_adds
from grouping.training.methods import build_encoder, build_network, cost_key
from grouping.training.networks import MultiTaskNetwork

_Built = tuple[MultiTaskNetwork, Tensor]


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Inference cost of a network for one row.

    Attributes:
        encoder_multiply_adds: multiply-adds of all but the heads.
        head_multiply_adds: multiply-adds of the head of each task of the group, by name.
        widths: widths of the stages of its encoders.
        cost_snt: `encoder_multiply_adds` divided by those of one full-size encoder; at most the size.
    """

    encoder_multiply_adds: int
    head_multiply_adds: Mapping[str, int]
    widths: tuple[int, ...]
    cost_snt: float


def measure_costs(
    n_features: int, tasks: Sequence[Task], networks: Sequence[Network], recipe: Recipe
) -> tuple[NetworkCost, ...]:
    """Count the cost of each network, in the order given.

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
    widths: dict[Hashable, tuple[int, ...]] = {}
    counted: dict[Hashable, int] = {}
    heads: dict[Hashable, int] = {}
    costs = []
    for network in networks:
        if unknown := network.group - known:
            raise InvalidInputError(f"Network {network} has unknown tasks: {', '.join(sorted(unknown))}.")
        members = tuple(task for task in tasks if task.name in network.group)
        key = (network.size, cost_key(recipe, members))
        if key not in widths:
            widths[key] = network_widths(recipe, encoder, members, network.size)
        own = {task.name: (key, task.name) for task in members}
        if key not in counted or not heads.keys() >= set(own.values()):
            features, of_heads = _count(*_built(recipe, encoder, widths[key], members))
            counted[key] = features
            heads |= {own[name]: count for name, count in of_heads.items()}
        of_tasks = {name: heads[head] for name, head in own.items()}
        costs.append(NetworkCost(counted[key], of_tasks, widths[key], counted[key] / full))
    return tuple(costs)


def network_widths(recipe: Recipe, encoder: Encoder, tasks: tuple[Task, ...], size: float) -> tuple[int, ...]:
    """Return the widths of the stages of a network: the widest whose cost is at most its size.

    They are those of one encoder of that size (`scaled_widths`), where all tasks share it, and less by one
    factor where a method of sharing runs more than one encoder. So a size is a cost under every recipe.

    Raises:
        InvalidInputError: if the narrowest network costs more than the size.
    """
    sharing = json.dumps([recipe.sharing.name, dict(recipe.sharing.parameters)], sort_keys=True)
    return _fitting_widths(encoder, recipe.hidden, sharing, tasks, size)


@lru_cache(maxsize=4096)
def _fitting_widths(
    encoder: Encoder, hidden: tuple[int, ...], sharing: str, tasks: tuple[Task, ...], size: float
) -> tuple[int, ...]:
    name, parameters = json.loads(sharing)
    recipe = Recipe(hidden=hidden, sharing=Method(name, parameters))
    widest = scaled_widths(encoder, hidden, size)
    most = size * _encoder_multiply_adds(encoder, hidden)

    def fits(widths: tuple[int, ...]) -> bool:
        network, row = _built(recipe, encoder, widths, tasks)
        return multiply_adds(partial(network.features, row)) <= most * (1 + 1e-12)

    if fits(widest):
        return widest
    narrower = sorted({Fraction(k, w) for w in set(widest) for k in range(1, w)})
    found = _last_fitting([encoder.scaled(widest, factor) for factor in narrower], fits)
    if found is None:
        raise InvalidInputError(
            f"A network of {len(tasks)} tasks with {recipe.sharing.name} sharing cannot be built at size "
            f"{size:g}: choose a larger size, wider layers or smaller groups."
        )
    return found


@lru_cache(maxsize=1024)
def scaled_widths(encoder: Encoder, hidden: tuple[int, ...], size: float) -> tuple[int, ...]:
    """Scale `hidden` uniformly to the widest encoder that costs at most `size` times the full one.

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
    widths = _last_fitting(
        [encoder.scaled(hidden, factor) for factor in factors],
        lambda widths: _encoder_multiply_adds(encoder, widths) / full <= size,
    )
    if widths is None:
        raise InvalidInputError(
            f"A network of size {size:g} is narrower than the narrowest encoder: with hidden widths "
            f"{', '.join(map(str, hidden))} choose a larger size."
        )
    if max(widths) > MAX_WIDTH:
        raise InvalidInputError(f"A network of size {size:g} needs layers wider than {MAX_WIDTH} units.")
    return widths


def _last_fitting(
    ascending: Sequence[tuple[int, ...]], fits: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...] | None:
    """Find the widest of ascending widths that fit, by bisection; None if none does."""
    low, high = -1, len(ascending)  # low fits (once it is not -1), high does not
    while high - low > 1:
        middle = (low + high) // 2
        if fits(ascending[middle]):
            low = middle
        else:
            high = middle
    return None if low < 0 else ascending[low]


@lru_cache(maxsize=65_536)
def _encoder_multiply_adds(encoder: Encoder, widths: tuple[int, ...]) -> int:
    device = encoder.counted_on(widths)
    stages = nn.Sequential(*Blueprint(encoder, widths, (), device=device).stages()).eval()
    found = multiply_adds(partial(stages, _row(encoder, device)))
    if not found:
        raise InvalidInputError(
            f"PyTorch counts no multiply-adds in {type(encoder).__name__}, so that networks cannot be "
            "compared by cost: state them (ModuleEncoder.multiply_adds)."
        )
    return found


def _row(encoder: Encoder, device: str) -> Tensor:
    return encoder.trial_rows(1).to(device)


def _built(recipe: Recipe, encoder: Encoder, widths: tuple[int, ...], tasks: tuple[Task, ...]) -> _Built:
    """Build a network where its costs are counted, with a row for it."""
    device = encoder.counted_on(widths)
    network = build_network(recipe, Blueprint(encoder, widths, tasks, device=device)).eval()
    return network, _row(encoder, device)


def _count(network: MultiTaskNetwork, row: Tensor) -> tuple[int, dict[str, int]]:
    """Count multiply-adds of all but the heads, and of the head of each task."""
    with torch.no_grad():
        features = network.features(row)
    of_heads = {
        name: multiply_adds(partial(head, own))
        for name, head, own in zip(network.task_names, network.heads, features, strict=True)
    }
    return multiply_adds(partial(network.features, row)), of_heads
