"""Texts for numbers and lists that people read."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.trainings.trials import Purpose, Trial


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence: ``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def plural(number: int, singular: str, several: str | None = None) -> str:
    """Format a number with its noun."""
    return f"{number:,} {singular if number == 1 else several or singular + 's'}"


def role(trial: Trial) -> str:
    """Say what a trial is for, to follow its seed; nothing for one that is to choose."""
    if trial.purpose is Purpose.SEARCH:
        return ""
    if trial.purpose is Purpose.CONFIRMATION:
        return ", confirms"
    recipe, members = trial.variant
    said = f", recipe {recipe}" + (f", {members} averaged" if members > 1 else "")
    return said if trial.purpose is Purpose.TUNING else f"{said}, confirms"
