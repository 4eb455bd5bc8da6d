"""Objectives of the solver; without NumPy, so that the command line lists them quickly."""

from __future__ import annotations

from enum import StrEnum


class Objective(StrEnum):
    """The quantity that the solver minimises."""

    SUM = "sum"
    """The weighted sum of the tasks' losses as they stand in the table, as Standley et al. (2020) do."""
    RELATIVE = "relative"
    """The weighted sum of each task's loss divided by its loss alone (its own full-size network)."""
