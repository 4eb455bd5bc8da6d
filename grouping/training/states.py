"""States of modules and optimisers as flat mappings of tensors, which can be stored without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from grouping.errors import TrainingError

_OPTIMISER = "optimiser."

NamedParameters = Sequence[tuple[str, nn.Parameter]]
"""Parameters with their names in the state."""


def module_weights(module: nn.Module) -> dict[str, Tensor]:
    """Copy the parameters and buffers of a module, by their names in it."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def module_state(owner: str, module: nn.Module) -> dict[str, Tensor]:
    """Copy the parameters and buffers of a module, each named after its owner."""
    return {f"{owner}.{name}": value for name, value in module_weights(module).items()}


def load_module(owner: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the result of `module_state` into a module that is built alike.

    Raises:
        TrainingError: if it is the state of another module.
    """
    own = {
        name.removeprefix(f"{owner}."): value for name, value in state.items() if name.startswith(f"{owner}.")
    }
    wanted = {name: value.shape for name, value in module.state_dict().items()}
    if wanted != {name: value.shape for name, value in own.items()}:
        raise TrainingError("The saved state belongs to a network of another architecture.")
    module.load_state_dict(own)


def optimiser_state(parameters: NamedParameters, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copy the state that an optimiser keeps for each parameter."""
    return {
        f"{_OPTIMISER}{key}.{name}": value.clone()
        for name, parameter in parameters
        for key, value in optimiser.state[parameter].items()
        if value is not None
    }


def load_optimiser(
    parameters: NamedParameters, optimiser: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Copy the result of `optimiser_state` into an optimiser of the same parameters."""
    for name, parameter in parameters:
        ending = f".{name}"
        for key, value in state.items():
            if key.startswith(_OPTIMISER) and key.endswith(ending):
                slot = key.removeprefix(_OPTIMISER).removesuffix(ending)
                if "." not in slot:
                    optimiser.state[parameter][slot] = value.to(parameter.device, copy=True)
