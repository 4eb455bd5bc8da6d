"""The notes of a strategy about its steps, recorded as events of a job."""

from __future__ import annotations

from grouping.domain.jobs.job import Event
from grouping.store import Claim, Store

NOTE_EVENT = "strategy_note"
LONGEST_NOTE = 2000
"""Characters; a note is for people, and a plug-in may say anything."""
_PAGE = 5000


class NoteRecorder:
    """Records a note as an event when it differs from the last one, even of an earlier dispatcher.

    Args:
        store: the database.
        claim: the lease on the job.
    """

    def __init__(self, store: Store, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._last: str | None = None

    def record(self, note: str) -> None:
        """Record a note; an empty one is left out."""
        note = note.strip()[:LONGEST_NOTE]
        if not note:
            return
        if self._last is None:
            self._last = _last_note(self._store, self._claim.job.id)
        if note != self._last:
            self._store.append_event(self._claim, NOTE_EVENT, {"note": note})
            self._last = note


def _last_note(store: Store, job_id: str) -> str:
    found = ""
    after = 0
    while events := store.events(job_id, after=after, limit=_PAGE):
        found = next((_text(e) for e in reversed(events) if e.kind == NOTE_EVENT), found)
        after = events[-1].number
    return found


def _text(event: Event) -> str:
    return str(event.data.get("note", ""))
