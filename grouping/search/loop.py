"""The loop of every search: plan, start, collect what is finished.

The service, `Search` and replay all use it, each with its own plans and trainings.
"""

from __future__ import annotations

from typing import Protocol


class Plans(Protocol):
    """Decides what is trained next."""

    @property
    def plans_continuously(self) -> bool:
        """Whether to plan whenever a training could begin; else in steps, once everything is finished."""

    def plan(self, n_free: int = 0) -> bool:
        """Plan further trials.

        Args:
            n_free: trainings that could begin at once; 0 in steps.

        Returns:
            Whether there may be more to start or to plan. False means that there is nothing until another
            training ends; when nothing is running, that the search is over.
        """


class TrialRunner(Protocol):
    """Carries out planned trials."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in training."""

    @property
    def n_free(self) -> int:
        """Trainings that could begin at once, beyond those that wait; 0 if none could."""

    def refill(self) -> None:
        """Take over what is planned, if nothing waits."""

    def start(self) -> None:
        """Start what is planned, as far as there is room."""

    def collect(self) -> bool:
        """Collect what ended, waiting a little for the first, and record it.

        Returns:
            Whether anything ended or was lost, or the number of workers changed.
        """


class Loop:
    """Carries out a search: plans it with `plans`, trains it with `trainings`.

    In steps, it plans when nothing is left to train. Continuously, it also plans when trainings could begin
    and none waits; after a plan that gave nothing, not again before a training ended.

    Args:
        plans: decides what is trained next.
        trainings: carries it out.
    """

    def __init__(self, plans: Plans, trainings: TrialRunner) -> None:
        self._plans = plans
        self._trainings = trainings
        self._has_news = True

    def advance(self) -> bool:
        """Go through the loop once; return whether the search goes on."""
        self._trainings.refill()
        is_idle = self._trainings.is_idle
        if is_idle or self._may_plan_ahead:
            n_free = self._trainings.n_free if self._plans.plans_continuously else 0
            self._has_news = self._plans.plan(n_free)
            if is_idle and not self._has_news:
                return False
        self._trainings.start()
        if self._trainings.collect():
            self._has_news = True
        return True

    @property
    def _may_plan_ahead(self) -> bool:
        return self._plans.plans_continuously and self._has_news and self._trainings.n_free > 0
