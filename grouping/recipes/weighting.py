"""Weighting: how the losses, or the gradients, of the tasks of a network are combined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Equal:
    """The sum of the losses."""

    name: ClassVar[str] = "equal"
    title: ClassVar[str] = "Equal weights"
    description: ClassVar[str] = "The sum of the losses, each divided by that of the best constant."
    source: ClassVar[str] = ""
    implementation: ClassVar[str] = "grouping.training.weighting.equal:EqualWeighting"


WEIGHTING: tuple[type[Declaration], ...] = (Equal,)
