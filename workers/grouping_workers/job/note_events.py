"""What a strategy says about its steps, recorded as events of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grouping.domain.verdicts.headroom import HEADROOM_EVENT, Headroom, headroom_to_plain
from grouping.store import Claim, Store

NOTE_EVENT = "strategy_note"
LONGEST_NOTE = 2000
"""Characters; a note is for people, and a plug-in may say anything."""


class NoteRecorder:
    """Records what differs from what was last said, even to an earlier dispatcher.

    Args:
        store: the database.
        claim: the lease on the job.
    """

    def __init__(self, store: Store, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._last: dict[str, Mapping[str, Any]] = {}

    def record(self, note: str) -> None:
        """Record a note; an empty one is left out."""
        note = note.strip()[:LONGEST_NOTE]
        if note:
            self._record(NOTE_EVENT, {"note": note})

    def record_headroom(self, items: Sequence[Headroom]) -> None:
        """Record what may still be missed; nothing where the strategy did not say."""
        if items:
            self._record(HEADROOM_EVENT, headroom_to_plain(items))

    def _record(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind not in self._last:
            event = self._store.find_last_event(self._claim.job.id, kind)
            self._last[kind] = {} if event is None else event.data
        if data != self._last[kind]:
            self._store.append_event(self._claim, kind, data)
            self._last[kind] = data
