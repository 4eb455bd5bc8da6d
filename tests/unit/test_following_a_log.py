"""What is shown further of a log that grows and is cut in the middle."""

from __future__ import annotations

from grouping.cli.logs import further
from grouping.store.reports import LOG_HEAD, LOG_TAIL, TrialLog


def test_what_is_shown_piece_by_piece_is_all_that_was_printed() -> None:
    log, shown, printed, seen = TrialLog(), "", "", ""
    for number in range(40):
        piece = f"line {number} " + "." * 3000 + "\n"
        printed += piece
        log = log.with_more(piece)
        seen += further(shown, log.text)
        shown = log.text
    assert log.dropped > 0
    assert seen == printed


def test_what_was_left_out_between_two_looks_is_named() -> None:
    before = TrialLog().with_more("begin\n")
    after = before.with_more("x" * (LOG_HEAD + LOG_TAIL) + "y" * LOG_TAIL)
    assert "characters left out" in further(before.text, after.text)
    assert further(after.text, after.text) == ""
