"""Encoders: what the stages between the inputs and the heads are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Mlp:
    """Fully connected layers."""

    name: ClassVar[str] = "mlp"
    title: ClassVar[str] = "Fully connected layers"
    description: ClassVar[str] = "A linear layer and a ReLU per hidden width; for tables and small images."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.encoders.mlp:MlpEncoder"


ENCODERS: tuple[type[Declaration], ...] = (Mlp,)
