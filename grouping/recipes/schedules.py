"""Schedules: which tasks of a network are trained when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from grouping.recipes.declarations import Declaration


@dataclass(frozen=True, slots=True)
class Joint:
    """All tasks, all the time."""

    name: ClassVar[str] = "joint"
    title: ClassVar[str] = "Joint training"
    description: ClassVar[str] = "All tasks of a network are trained in every step."
    source: ClassVar[str] = "Caruana, Multitask learning, Machine Learning 28, 1997"
    implementation: ClassVar[str] = "grouping.training.schedules.joint:JointSchedule"


SCHEDULES: tuple[type[Declaration], ...] = (Joint,)
