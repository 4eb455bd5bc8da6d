"""Test whether networks trained together get the same bits as alone, on this machine and these networks.

Single products are tested where they are computed (`products`). This tests whole gradient steps, including
all that is done between products, so that the promise of stacks is checked. The answer depends on the machine
and on shapes, never on the clock: every machine of one kind gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

import torch

from grouping.domain.networks import Network
from grouping.domain.trainings.arithmetic import Stacking
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import GroupingError
from grouping.training.data import TrainingData
from grouping.training.engines import products
from grouping.training.engines.capacity import most_members
from grouping.training.engines.stacked import StackedTraining, can_stack

N_MANY = 16
"""Members of the largest stack that is tried."""
_KNOWN: dict[object, Stacking] = {}


def stacking_at(data: TrainingData, recipe: Recipe, size: float) -> Stacking:
    """Return how networks of a size may be stacked in this process; tested once per kind of networks.

    The test trains for two steps at most, stacks that are no larger than those of a training.

    Args:
        data: the data set.
        recipe: how networks are built and trained.
        size: size of the networks.
    """
    key = (data.tasks, data.n_features, len(data.train), data.dtype, data.device, repr(astuple(recipe)), size)
    if key not in _KNOWN:
        before = products.n_split
        is_independent = _try(data, recipe, size)
        has_split = products.n_split > before
        _KNOWN[key] = (Stacking.SPLIT if has_split else Stacking.FULL) if is_independent else Stacking.NONE
    return _KNOWN[key]


def stacking_of(data: TrainingData, recipe: Recipe, requests: Sequence[TrialRequest]) -> Stacking:
    """Return the most restricted stacking of these networks in this process, if the recipe can be stacked."""
    sizes = sorted({request.network.size for request in requests})
    found = {stacking_at(data, recipe, size) for size in sizes}
    return next((least for least in (Stacking.NONE, Stacking.SPLIT) if least in found), Stacking.FULL)


def _try(data: TrainingData, recipe: Recipe, size: float) -> bool:
    requests = [request for request in _requests(data, size) if can_stack(data, request, recipe)]
    if not requests:
        return True  # nothing is stacked
    try:
        most = min(N_MANY, *(most_members(data, request, recipe) for request in requests))
    except GroupingError:
        return True  # a size that cannot be built is told where it is asked for
    if most == 1:
        return True
    sample = _first_batches(data, recipe.batch_size)
    short = replace(recipe, epochs=1, patience=0)
    alone = [_trained(sample, short, [request])[0] for request in requests]
    stacks = ([n % len(requests) for n in range(most)], list(range(len(requests)))[-min(3, most) :])
    return all(
        _is_same(alone[n], found)
        for stack in stacks
        for n, found in zip(stack, _trained(sample, short, [requests[n] for n in stack]), strict=True)
    )


def _requests(data: TrainingData, size: float) -> list[TrialRequest]:
    """Return requests for a task of each loss and width alone, two tasks together, and all of them."""
    kinds = {(task.loss, task.n_outputs): (task.name,) for task in reversed(data.tasks)}
    names = tuple(task.name for task in data.tasks)
    groups = dict.fromkeys((*reversed(kinds.values()), names[:2], names))
    return [TrialRequest(Network.of(*group, size=size), 0) for group in groups]


def _first_batches(data: TrainingData, batch_size: int) -> TrainingData:
    """Return the data cut to a full batch, and one as long as the last of an epoch."""
    rest = len(data.train) % batch_size if len(data.train) > batch_size else 0
    return data.with_first_rows(min(len(data.train), batch_size) + rest)


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors are equal bit for bit; NaN equals NaN."""
    return torch.equal(one.nan_to_num(), other.nan_to_num()) and torch.equal(one.isnan(), other.isnan())


def _trained(data: TrainingData, recipe: Recipe, requests: list[TrialRequest]) -> list[torch.Tensor]:
    """Return all numbers of each member's state after an epoch."""
    stack = StackedTraining(data, requests, recipe)
    stack.run_epoch()
    states = (stack.state_dict(member) for member in range(len(requests)))
    return [torch.cat([value.double().flatten() for _, value in sorted(state.items())]) for state in states]
