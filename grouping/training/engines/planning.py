"""Choice of the engine for each request, and of the requests that are trained together.

The choice is a rule and not a measurement: it looks at the recipe and at the request itself, never at the
others or at the clock. An engine's floats differ from another's by rounding, so a choice by speed would make
a score depend on how busy a machine was, or on what else was asked for. A job that chooses by speed does so
once, and then names the engine (`comparison`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from grouping.domain.trainings.arithmetic import Stacking
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError
from grouping.training.data import TrainingData
from grouping.training.engines.capacity import most_members
from grouping.training.engines.independence import stacking_at
from grouping.training.engines.stacked import can_stack, unstackable_tasks


@dataclass(frozen=True, slots=True)
class EngineShare:
    """Requests that one engine trains together.

    Attributes:
        engine: the engine that trains them; never `AUTO`.
        members: positions of the requests among all of them, in order.
    """

    engine: Engine
    members: tuple[int, ...]


def divide(
    data: TrainingData,
    requests: Sequence[TrialRequest],
    recipe: Recipe,
    engine: Engine = Engine.AUTO,
    states: Sequence[Mapping[str, Tensor] | None] | None = None,
) -> tuple[EngineShare, ...]:
    """Sort requests into shares, in the order of the first of each.

    Args:
        data: the data set.
        requests: the requests; each can be trained.
        recipe: recipe of the trainings.
        engine: the engine wanted.
        states: states to go on from, one per request.

    Raises:
        InvalidInputError: if the engine that is named cannot carry out one of them.
    """
    found: dict[object, list[int]] = {}
    for number, request in enumerate(requests):
        chosen = _choose(data, request, recipe, engine)
        state = None if states is None else states[number]
        epoch = 0 if state is None else int(state["epoch"])
        key: tuple[object, ...] = (chosen, request.network.size, request.fidelity, epoch)
        if chosen is Engine.STACKED:
            key = (*key, request.seed)
        elif chosen is Engine.VMAP:
            key = (*key, request.network.group)
        else:
            key = (chosen, number)
        found.setdefault(key, []).append(number)
    shares = []
    for (chosen, *_), numbers in found.items():  # type: ignore[misc]
        # One by itself needs no trial of what it could be trained with.
        most = _most_together(data, requests[numbers[0]], recipe, chosen) if len(numbers) > 1 else 1
        shares += [
            EngineShare(chosen, tuple(numbers[start : start + most]))
            for start in range(0, len(numbers), most)
        ]
    return tuple(sorted(shares, key=lambda share: share.members[0]))


def _most_together(data: TrainingData, request: TrialRequest, recipe: Recipe, engine: Engine) -> int:
    """Return how many networks like that one this process trains together."""
    if engine is Engine.STACKED and stacking_at(data, recipe, request.network.size) is Stacking.NONE:
        return 1
    return most_members(data, request, recipe)


def _choose(data: TrainingData, request: TrialRequest, recipe: Recipe, engine: Engine) -> Engine:
    if engine is Engine.AUTO:
        return Engine.STACKED if can_stack(data, request, recipe) else Engine.SEQUENTIAL
    if engine is Engine.STACKED and not can_stack(data, request, recipe):
        tasks = ", ".join(unstackable_tasks(data, request))
        raise InvalidInputError(
            f"The stacked engine knows no gradient of the losses of {tasks}. Choose the engine auto."
            if tasks
            else "The stacked engine trains fully connected encoders with hard sharing, equal weights, joint "
            "training and AdamW or SGD, in float32, at a learning rate that follows no validation loss and "
            "without measuring affinities. Choose the engine auto, or another recipe.",
            pointer="/engine",
        )
    return engine
