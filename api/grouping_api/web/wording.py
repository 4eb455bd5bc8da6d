"""Texts for events and numbers that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grouping.domain.jobs import Event

_KINDS = {
    "job_claimed": "Taken by a dispatcher",
    "job_released": "Given back by the dispatcher",
    "job_prepared": "Data loaded",
    "job_preparing": "Preparing",
    "job_running": "Search started",
    "job_confirming": "Confirmation started",
    "job_cancelling": "Cancellation asked for",
    "job_interrupted": "The process of the job ended, and another one goes on",
    "networks_added": "Candidates listed",
    "trial_reused": "Outcome copied",
    "results_added": "Results added from outside",
    "results_left_out": "Results from outside left out",
    "reuse_found": "Outcomes of other jobs looked up",
    "company_limited": "Networks stacked less than usual",
    "environment_differs": "Trained in another environment than before",
    "strategy_note": "Strategy",
}
"""Titles of kinds of events whose names do not explain them to people."""
_SHOWN = (
    "network",
    "engine",
    "seed",
    "fidelity",
    "reason",
    "error",
    "networks",
    "added",
    "known",
    "reused",
    "reusable",
    "of",
    "skipped",
    "stop_reason",
    "owner",
    "source",
    "told_by",
    "note",
)
_LONGEST = 300
_LONGEST_NOTE = 1000
"""Maximum characters of a strategy's note, which consists of sentences."""


def event_title(event: Event) -> str:
    """Return the title of an event."""
    return _KINDS.get(event.kind, event.kind.replace("trial", "training").replace("_", " ").capitalize())


def is_bad_news(event: Event) -> bool:
    """Tell whether an event reports a failure."""
    return event.kind in {"trial_failed", "trial_diverged", "trial_lost", "job_failed", "job_interrupted"}


def event_details(event: Event) -> str:
    """List the details of an event: what it concerns, and why it happened."""
    data: Mapping[str, Any] = event.data
    parts = []
    for key in _SHOWN:
        value = data.get(key)
        if value is None or (key == "fidelity" and value == 1) or isinstance(value, (dict, list)):
            continue
        text = str(value)[: _LONGEST_NOTE if key == "note" else _LONGEST]
        if key in {"network", "engine", "reason", "error", "owner", "note"}:
            parts.append(text)
        elif key in {"source", "told_by"}:
            parts += [f"{'from' if key == 'source' else 'by'} {text}"] if text else []
        elif key == "stop_reason":
            parts.append(text.replace("_", " "))
        elif key == "fidelity":
            parts.append(f"{100 * float(value):.0f} % of the epochs")
        else:
            parts.append(f"{key} {text}")
    return ", ".join(parts)


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence: ``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def plural(number: int, singular: str, several: str | None = None) -> str:
    """Format a number with its noun."""
    return f"{number:,} {singular if number == 1 else several or singular + 's'}"
