"""Texts for events in the history of a job, for the web view and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from grouping.domain.verdicts.headroom import HEADROOM_EVENT


class AnyEvent(Protocol):
    """An event, as it is stored or as it was answered."""

    @property
    def kind(self) -> str:
        """Kind of the event."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Details of the event."""


_KINDS = {
    "job_claimed": "Taken by a dispatcher",
    "job_released": "Given back by the dispatcher",
    "job_prepared": "Data loaded",
    "job_preparing": "Preparing",
    "sizes_measured": "Costs of sizes measured",
    "job_running": "Search started",
    "job_confirming": "Confirmation started",
    "job_cancelling": "Cancellation asked for",
    "job_pausing": "Pause asked for",
    "job_stopped": "Stop asked for",
    "job_labelled": "Name, note or tags changed",
    "dispatcher_lost": "The dispatcher was lost",
    "job_interrupted": "The process of the job ended, and another one goes on",
    "ray_unreachable": "Ray cannot be reached; the job waits",
    "networks_added": "Candidates listed",
    "trial_reused": "Outcome copied",
    "results_added": "Results added from outside",
    "results_left_out": "Results from outside left out",
    "reuse_found": "Outcomes of other jobs looked up",
    "company_limited": "Networks stacked less than usual",
    "environment_differs": "Trained in another environment than before",
    "strategy_note": "Strategy",
    HEADROOM_EVENT: "May still be missed",
    "finish_asked": "Bundle asked for",
    "finish_started": "Networks are trained to be kept",
    "finish_succeeded": "Bundle kept",
    "finish_failed": "Bundle could not be made",
    "finish_cancelled": "Making of the bundle cancelled",
    "finish_lost": "Making of the bundle was lost, and is tried again",
    "webhook_delivered": "Webhook told of the end",
    "webhook_given_up": "Webhook could not be told of the end",
}
"""Titles of kinds of events whose names do not explain them to people."""
OF_WHOLE_JOBS = frozenset({"job_interrupted", "ray_unreachable", "dispatcher_lost"})
"""Kinds of events that tell of trouble with the job as such, beyond one training."""
_SHOWN = (
    "network",
    "engine",
    "seed",
    "fidelity",
    "budget_snt",
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
    "missing",
    "without",
    "fault",
    "owner",
    "source",
    "told_by",
    "note",
    "address",
    "attempts",
    "status",
)
_LONGEST = 300
_LONGEST_NOTE = 1000
"""Maximum characters of a strategy's note, which consists of sentences."""


def event_title(event: AnyEvent) -> str:
    """Return the title of an event."""
    return _KINDS.get(event.kind, event.kind.replace("trial", "training").replace("_", " ").capitalize())


def is_bad_news(event: AnyEvent) -> bool:
    """Tell whether an event reports a failure."""
    return (
        event.kind
        in {"trial_failed", "trial_diverged", "trial_lost", "job_failed", "webhook_given_up", "finish_failed"}
        | OF_WHOLE_JOBS
    )


def event_details(event: AnyEvent) -> str:
    """List the details of an event: what it concerns, and why it happened."""
    data: Mapping[str, Any] = event.data
    parts = []
    for key in _SHOWN:
        value = data.get(key)
        if value is None or (key == "fidelity" and value == 1) or isinstance(value, (dict, list)):
            continue
        text = str(value)[: _LONGEST_NOTE if key == "note" else _LONGEST]
        if key in {"network", "engine", "reason", "error", "owner", "note", "address"}:
            parts.append(text)
        elif key in {"source", "told_by"}:
            parts += [f"{'from' if key == 'source' else 'by'} {text}"] if text else []
        elif key == "stop_reason":
            parts.append(text.replace("_", " "))
        elif key == "fault":
            parts.append(f"fault: {text}")
        elif key == "budget_snt":
            parts.append(f"{float(value):g} SNT")
        elif key == "fidelity":
            parts.append(f"{100 * float(value):.0f} % of the epochs")
        else:
            parts.append(f"{key} {text}")
    return ", ".join(parts)
