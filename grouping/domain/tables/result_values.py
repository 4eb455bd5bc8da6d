"""Meaning of the numbers of finished results that are told from outside."""

from __future__ import annotations

from enum import StrEnum


class ResultValues(StrEnum):
    """Meaning of the numbers of finished results."""

    REPORTED = "reported"
    """What the trainer of the job would report: the value of its metric, such as an accuracy, of a task that
    the job defines or that is chosen by its metric; else the loss of the problem."""
    LOSSES = "losses"
    """Losses as in the score table of the job, lower is better, as it is exported."""
