"""The loop of every search: plan, start, take what is finished.

The service, a `Search` in one's own process and replay go through it, each with its own plans and trainings.
"""

from __future__ import annotations

from typing import Protocol


class Plans(Protocol):
    """Says what is trained next."""

    def plan(self) -> bool:
        """Plan further trials, all earlier ones being finished; False when there are none."""


class Trainings(Protocol):
    """Carries planned trials out."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in training."""

    def refill(self) -> None:
        """Take over what is planned, if nothing waits."""

    def start(self) -> None:
        """Start what is planned, as far as there is room."""

    def collect(self) -> None:
        """Take what ended, waiting a little for the first, and tell it."""


def advance(plans: Plans, trainings: Trainings) -> bool:
    """Go through the loop once; returns whether the search goes on."""
    trainings.refill()
    if trainings.is_idle and not plans.plan():
        return False
    trainings.start()
    trainings.collect()
    return True
