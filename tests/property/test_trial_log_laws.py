"""Laws of the log of a training."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grouping.store import TrialLog
from grouping.store.reports import LOG_HEAD, LOG_TAIL


@given(st.lists(st.text(min_size=1, max_size=5).map(lambda text: text * 6000)))
def test_a_log_keeps_its_beginning_and_its_end_and_counts_the_rest(parts: list[str]) -> None:
    log, whole = TrialLog(), "".join(parts)
    for part in parts:
        log = log.with_more(part)
    assert log.head == whole[:LOG_HEAD]
    assert whole.endswith(log.tail)
    assert len(log.head) + len(log.tail) + log.dropped == len(whole)
    assert len(log.tail) <= LOG_TAIL
    assert (log.dropped == 0) == (len(whole) <= LOG_HEAD + LOG_TAIL)
