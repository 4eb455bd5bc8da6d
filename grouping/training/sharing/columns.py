"""Columns: a column is all stages of one encoder; some methods of sharing have several in parallel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from grouping.training.blueprint import Blueprint

M = TypeVar("M", bound=nn.Module)


def members(modules: nn.Module, kind: type[M]) -> list[M]:
    """Return the modules of a list as one type, which the list does not declare."""
    return cast("list[M]", list(cast("Iterable[nn.Module]", modules)))


def column(blueprint: Blueprint, index: int) -> nn.ModuleList:
    """Build a column that all tasks share; the first one starts as the encoder of hard sharing does."""
    return blueprint.stages("shared", index) if index else blueprint.stages()


def own_column(blueprint: Blueprint, task: str, index: int = 0) -> nn.ModuleList:
    """Build a column of one task."""
    return blueprint.stages("task", task, index)


def matrices(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return weight matrices, a row per output: of linear maps and convolutions.

    Offsets, scales of normalisation and embeddings (which have a row per token) are left out.
    """
    embedded = {
        id(weight)
        for part in module.modules()
        if isinstance(part, nn.Embedding)
        for weight in part.parameters()
    }
    return {name: p for name, p in module.named_parameters() if p.ndim > 1 and id(p) not in embedded}


def run(stages: Iterable[nn.Module], inputs: Tensor) -> Tensor:
    """Run the stages one after another and return the last output."""
    features = inputs
    for stage in stages:
        features = stage(features)
    return features


def concatenate(features: Sequence[Tensor]) -> Tensor:
    """Concatenate features of one stage of several columns along the channels."""
    return torch.cat(list(features), dim=1 if features[0].ndim == 4 else -1)


def depths_of(network: nn.Module, columns: Sequence[nn.ModuleList]) -> list[list[nn.Parameter]]:
    """Return the parameters of the columns stage by stage, then all others of the network.

    Args:
        network: network that the columns are part of.
        columns: columns with equally many stages.
    """
    lower = [
        [parameter for stage in stages for parameter in stage.parameters()]
        for stages in zip(*columns, strict=True)
    ]
    known = {id(parameter) for depth in lower for parameter in depth}
    return [*lower, [p for p in network.parameters() if id(p) not in known]]
