"""Fully connected encoder (MLP): linear layers, each followed by a ReLU, and linear heads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from grouping.domain.tasks import Task
from grouping.recipes.encoders import Mlp
from grouping.training.blueprint import Encoder


@dataclass(frozen=True)
class MlpEncoder(Encoder):
    """Encoder of fully connected layers; see the module.

    Attributes:
        parameters: none.
    """

    parameters: Mlp

    def stage(self, index: int, n_in: int, width: int) -> nn.Module:
        """Build a linear layer and a ReLU; He et al. (2015): keeps the variance of the activations."""
        return nn.Sequential(_linear(n_in, width, math.sqrt(6.0 / n_in)), nn.ReLU())

    def head(self, task: Task, width: int) -> nn.Module:
        """Build a linear layer."""
        return _linear(width, task.n_outputs, 1.0 / math.sqrt(width))

    def pointwise(self, n_in: int, n_out: int) -> nn.Module:
        """Build a linear layer."""
        return _linear(n_in, n_out, 1.0 / math.sqrt(n_in))


@torch.no_grad()
def _linear(n_in: int, n_out: int, bound: float) -> nn.Linear:
    device = torch.get_default_device()
    # Through the meta device, so that nn.Linear's own initialisation draws nothing.
    layer = nn.Linear(n_in, n_out, device="meta")
    if device.type != "meta":  # to_empty() would do, and imports SymPy, which takes half a second
        layer.weight = nn.Parameter(torch.empty(layer.weight.shape, device=device))
        layer.bias = nn.Parameter(torch.empty(layer.bias.shape, device=device))
    layer.weight.uniform_(-bound, bound)
    layer.bias.zero_()
    return layer
