"""States of single members, read from and written to the common weights and optimiser of a stack."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from grouping.errors import TrainingError
from grouping.training.engines.layout import Layout

_OPTIMISER = "optimiser"


def state_of_member(
    layout: Layout, weights: Tensor, optimiser: torch.optim.Optimizer, member: int
) -> dict[str, Tensor]:
    """Copy a member's weights and optimiser state, as `Training` names them.

    What the optimiser counts once for all weights, such as its steps, is given for each parameter.
    """
    own = layout.of_member(weights.detach(), member)
    state = {name: value.clone() for name, value in own.items()}
    for slot, value in optimiser.state[weights].items():
        if value is None:
            continue
        is_of_weights = value.shape == weights.shape
        parts = layout.of_member(value, member) if is_of_weights else dict.fromkeys(own, value)
        state |= {f"{_OPTIMISER}.{slot}.{name}": part.clone() for name, part in parts.items()}
    return state


@torch.no_grad()
def load_member(
    layout: Layout,
    weights: Tensor,
    optimiser: torch.optim.Optimizer,
    member: int,
    state: Mapping[str, Tensor],
) -> None:
    """Copy a state into a member's place.

    Raises:
        TrainingError: if it is the state of another network, or of another number of steps than that of the
            members loaded before.
    """
    own = layout.of_member(weights.detach(), member)
    saved = {
        name: value.shape for name, value in state.items() if name.startswith(("network.", "weighting."))
    }
    if saved != {name: value.shape for name, value in own.items()}:
        raise TrainingError("The saved state belongs to a network of another architecture.")
    for name, place in own.items():
        place.copy_(state[name])
    remembered = optimiser.state[weights]
    for key, value in state.items():
        if not key.startswith(f"{_OPTIMISER}."):
            continue
        _, slot, name = key.split(".", 2)
        if value.shape == own[name].shape:
            if slot not in remembered:
                remembered[slot] = torch.zeros_like(weights)
            layout.of_member(remembered[slot], member)[name].copy_(value)
        elif slot not in remembered:
            remembered[slot] = value.to(weights.device, copy=True)
        elif not torch.equal(remembered[slot], value.to(weights.device)):
            raise TrainingError("The members of a stack must have carried out the same number of steps.")
