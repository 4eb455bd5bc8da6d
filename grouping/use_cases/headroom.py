"""What may still be missed by what a job recommends, as its strategy last said."""

from __future__ import annotations

from collections.abc import Mapping

from grouping.domain.verdicts.headroom import HEADROOM_EVENT, Headroom, headroom_from_plain
from grouping.store import Store


def headroom_of(store: Store, job_id: str) -> Mapping[float, Headroom]:
    """Return how much lower the loss may still get at each inference budget of a job, as last said.

    Empty where nothing was said: early on, by strategies that do not say so, and of jobs of older versions.
    """
    event = store.find_last_event(job_id, HEADROOM_EVENT)
    return {} if event is None else {item.budget_snt: item for item in headroom_from_plain(event.data)}
