"""The loop of every search: plan, start, collect what is finished.

The service, `Search` and replay all use it, each with its own plans and trainings.
"""

from __future__ import annotations

from typing import Protocol


class Plans(Protocol):
    """Decides what is trained next."""

    def plan(self) -> bool:
        """Plan further trials, all earlier ones being finished; return False when there are none."""


class Trainings(Protocol):
    """Carries out planned trials."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in training."""

    def refill(self) -> None:
        """Take over what is planned, if nothing waits."""

    def start(self) -> None:
        """Start what is planned, as far as there is room."""

    def collect(self) -> None:
        """Collect what ended, waiting a little for the first, and record it."""


def advance(plans: Plans, trainings: Trainings) -> bool:
    """Go through the loop once; return whether the search goes on."""
    trainings.refill()
    if trainings.is_idle and not plans.plan():
        return False
    trainings.start()
    trainings.collect()
    return True
