"""Looks at the events of jobs, for all streams at once.

However many streams are open, one query per look finds which jobs have anything new, and what is new is read
once for all that have seen the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.jobs.job import Event, JobState
from grouping.errors import GroupingError, NotFoundError
from grouping.store import Store
from grouping_api.gathering import Gathering

BATCH = 200
"""The most events of one look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stream asks about: a job, and the number of the last event that it has sent."""

    job_id: str
    after: int


@dataclass(frozen=True, slots=True)
class Look:
    """State of a job, and its next events, at most `BATCH`; after a final state only webhooks add any."""

    state: JobState
    events: tuple[Event, ...]


EventDesk = Gathering[Seen, Look]


def event_desk(store: Store) -> EventDesk:
    """Return what looks at the events of a store."""

    def look(asked: Sequence[Seen]) -> list[Look | GroupingError]:
        heads = store.event_heads({seen.job_id for seen in asked})
        found: dict[Seen, Look | GroupingError] = {}
        for seen in set(asked):
            head = heads.get(seen.job_id)
            try:
                if head is None:
                    raise NotFoundError("job", seen.job_id)
                is_new = head.last_event > seen.after
                events = store.events(seen.job_id, after=seen.after, limit=BATCH) if is_new else ()
                found[seen] = Look(head.state, events)
            except NotFoundError as error:
                found[seen] = error
        return [found[seen] for seen in asked]

    return Gathering(look)
