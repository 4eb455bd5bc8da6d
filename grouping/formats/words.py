"""Numbers and lists in the sentences of a report."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.formats.limits import MAX_LISTED


def shown_number(number: int) -> str:
    """Return a count as text, a huge one rounded."""
    return f"{number:,}" if number < 10**12 else f"{float(number):.1e}"


def counted(number: int, noun: str) -> str:
    """Return a count with its noun, such as ``2 losses``."""
    return f"{shown_number(number)} {noun}" + ("" if number == 1 else "s" if noun[-1] != "s" else "es")


def enumerated(names: Sequence[str], count: int) -> str:
    """Join the names, cut to `MAX_LISTED` of `count`."""
    listed = ", ".join(names[:MAX_LISTED])
    more = count - len(names[:MAX_LISTED])
    return f"{listed} and {shown_number(more)} more" if more else listed
