"""The network: one shared encoder and a linear head per task (hard parameter sharing, Caruana 1997).

Initial weights are common random numbers: the encoder's depend on the seed and its widths, a head's on
the seed, its task and its shape. Networks of one seed and size therefore start from the same encoder
whatever their group, and the difference of their scores is less noisy than either score.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from grouping.domain.tasks import Task


def generator_for(*parts: str | int) -> torch.Generator:
    """A CPU generator that depends on these parts only, the same on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "backslashreplace"))
    generator = torch.Generator()
    generator.manual_seed(int.from_bytes(digest.digest()[:8], "little") >> 1)
    return generator


def build_encoder(n_features: int, widths: Sequence[int], device: torch.device | str) -> nn.Sequential:
    """Linear layers of these widths, each followed by a ReLU; the weights are not set."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((n_features, *widths)):
        layers += [_unset_linear(n_in, n_out, device), nn.ReLU()]
    return nn.Sequential(*layers)


class MultiTaskNetwork(nn.Module):
    """A shared encoder with a linear head for each task.

    Attributes:
        task_names: names of the tasks, in the order of the heads.
        encoder: ``[rows, n_features]`` to ``[rows, widths[-1]]``.
        heads: one linear layer per task, to ``[rows, n_outputs]``.
    """

    def __init__(self, n_features: int, widths: Sequence[int], tasks: Sequence[Task], seed: int) -> None:
        """Build on the CPU with the initial weights of that seed; the global generator is not touched."""
        super().__init__()
        self.task_names = tuple(task.name for task in tasks)
        self.encoder = build_encoder(n_features, widths, "cpu")
        generator = generator_for("encoder", seed, n_features, *widths)
        for layer in self.encoder:
            if isinstance(layer, nn.Linear):
                # He et al. (2015): keeps the variance of the activations through ReLU layers.
                _set_uniform(layer, math.sqrt(6.0 / layer.in_features), generator)
        # A list and not a ModuleDict: task names may hold dots, which module names may not.
        self.heads = nn.ModuleList()
        for task in tasks:
            head = _unset_linear(widths[-1], task.n_outputs, "cpu")
            shape_and_name = (widths[-1], task.n_outputs, task.name)
            _set_uniform(head, 1.0 / math.sqrt(widths[-1]), generator_for("head", seed, *shape_and_name))
            self.heads.append(head)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Raw outputs of every head, in the order of the tasks."""
        shared = self.encoder(inputs)
        return [head(shared) for head in self.heads]


def _unset_linear(n_in: int, n_out: int, device: torch.device | str) -> nn.Linear:
    # Through the meta device, so that nn.Linear's own initialisation draws nothing from the global generator.
    layer = nn.Linear(n_in, n_out, device="meta")
    return layer if str(device) == "meta" else layer.to_empty(device=device)


@torch.no_grad()
def _set_uniform(layer: nn.Linear, bound: float, generator: torch.Generator) -> None:
    layer.weight.uniform_(-bound, bound, generator=generator)
    layer.bias.zero_()
