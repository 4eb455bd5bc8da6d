"""Sharing: which layers the tasks of a network share, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Hard:
    """One encoder, a head per task."""

    name: ClassVar[str] = "hard"
    title: ClassVar[str] = "Hard sharing"
    description: ClassVar[str] = "All tasks share one encoder; each has a head of its own."
    source: ClassVar[str] = "Caruana, Multitask learning, Machine Learning 28, 1997"
    implementation: ClassVar[str] = "grouping.training.sharing.hard:HardSharing"


SHARING: tuple[type[Declaration], ...] = (Hard,)
