"""Parallel encoders: one for every task of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from grouping.training.blueprint import Blueprint


def parallel_stages(blueprint: Blueprint) -> nn.ModuleList:
    """Build for each stage a list with a copy of it for every task.

    All encoders start from the weights of the shared encoder of the seed. A network of one task therefore
    starts as it does under hard sharing, and the features of two tasks mean the same at the start, so that
    they can be mixed.
    """
    encoders = [blueprint.stages() for _ in blueprint.tasks]
    return nn.ModuleList(nn.ModuleList(copies) for copies in zip(*encoders, strict=True))


def run_stage(copies: nn.Module, features: Sequence[Tensor]) -> list[Tensor]:
    """Run each task's features through its own copy of a stage."""
    stages = cast(nn.ModuleList, copies)
    return [stage(own) for stage, own in zip(stages, features, strict=True)]
