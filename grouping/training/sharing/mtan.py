"""Multi-task attention network, MTAN (Liu, Johns and Davison, CVPR 2019): soft masks per task.

All tasks share one encoder. With the features ``p_l`` of its stage l, task t has

    a_l = mask_l * p_l        mask_l = sigmoid(h_l(relu(g_l([p_l ; a_(l-1)]))))

where g and h are linear maps of the channels that belong to the task and the stage, the same at every
position, ``;`` stacks channels, and there is no ``a_0``. The head of the task sees the last ``a_l``. Masks
of 1 are hard sharing.

What differs from the paper: it reads the mask off the first layer of a block and applies it to the last
one, here both are the features of the stage; it takes ``a_(l-1)`` through a convolution and pooling, here
it is averaged to the positions of the stage; there is no normalisation inside; g narrows the channels by
the factor `reduction`, 1 for none. A network of one task has nothing to choose from and is the encoder
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from grouping.recipes.sharing import Mtan
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.shapes import at_positions_of, channel_dim


class MtanSharing(MultiTaskNetwork):
    """Network of one encoder with attention per task; see the module.

    Attributes:
        stages: the shared encoder.
        attention: for each stage and task, the layers that give the logits of its mask; none for one task.
    """

    def __init__(self, blueprint: Blueprint, parameters: Mtan) -> None:
        super().__init__(blueprint)
        self.stages = blueprint.stages()
        self.attention = nn.ModuleList(
            nn.ModuleList(
                _attention(blueprint, stage, task.name, parameters.reduction) for task in blueprint.tasks
            )
            for stage in range(len(self.stages))
            if len(blueprint.tasks) > 1
        )
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the masked features of the last stage."""
        shared = inputs
        chosen: list[Tensor | None] = [None] * len(self.task_names)
        for number, stage in enumerate(self.stages):
            shared = stage(shared)
            if self.attention:
                modules = cast(nn.ModuleList, self.attention[number])
                masks = [_mask(module, shared, own) for module, own in zip(modules, chosen, strict=True)]
                chosen = [mask * shared for mask in masks]
        return [shared if own is None else own for own in chosen]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the encoder."""
        return {f"stages.{name}": p for name, p in self.stages.named_parameters()}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters of each stage with the attention to it, then the heads."""
        lower = [list(stage.parameters()) for stage in self.stages]
        for depth, modules in zip(lower, self.attention, strict=False):  # a single task has no attention
            depth += modules.parameters()
        return [*lower, list(self.heads.parameters())]


def _mask(module: nn.Module, shared: Tensor, below: Tensor | None) -> Tensor:
    if below is None:
        seen = shared
    else:
        seen = torch.cat((shared, at_positions_of(below, shared)), dim=channel_dim(shared))
    mask: Tensor = module(seen).sigmoid()
    return mask


def _attention(blueprint: Blueprint, stage: int, task: str, reduction: int) -> nn.Module:
    width = blueprint.widths[stage]
    seen = width + (blueprint.widths[stage - 1] if stage else 0)
    narrow = max(1, width // reduction)
    return nn.Sequential(
        blueprint.pointwise(seen, narrow, "attention in", task, stage),
        nn.ReLU(),
        blueprint.pointwise(narrow, width, "attention out", task, stage),
    )
