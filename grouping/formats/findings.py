"""Findings while a file is read: places of errors, and what the import report will say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from grouping.errors import TableFormatError
from grouping.formats.limits import MAX_LISTED

MAX_SHOWN = 200
"""Characters of a name in a report; a network of many tasks has a long one."""


@dataclass
class Listing:
    """Counts items and names the first few.

    Attributes:
        count: number of items added.
        named: the first `MAX_LISTED` of them.
    """

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one more item."""
        self.count += 1
        if len(self.named) < MAX_LISTED:
            self.named.append(name if len(name) <= MAX_SHOWN else f"{name[: MAX_SHOWN - 3]}...")

    def extend(self, names: Iterable[str]) -> None:
        """Count each of these items."""
        for name in names:
            self.add(name)


@dataclass
class Findings:
    """Findings in one source while it is read.

    Attributes:
        name: name of the file, empty where it has none.
        unit: unit of places, lines or rows, counted from 1; headings are a line, but no row.
        non_finite: cells with ``nan``, ``inf`` and the like.
        duplicates: rows and cells that repeat an earlier one.
        warnings: sentences about anything else a user should look at.
        notes: sentences about how the file is written; they change no answer.
    """

    name: str = ""
    unit: Literal["line", "row"] = "line"
    non_finite: Listing = field(default_factory=Listing)
    duplicates: Listing = field(default_factory=Listing)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def error(self, message: str, at: int | None = None) -> TableFormatError:
        """Return the error to raise for this source.

        Args:
            message: what is wrong and what to do.
            at: the line or row.
        """
        line = at if self.unit == "line" else None
        if at is not None and line is None:
            message = f"row {at}: {message}"
        if self.name:
            message = f"{self.name}: {message}"
        elif line is None:
            message = message[:1].upper() + message[1:]
        return TableFormatError(message, line=line)

    @property
    def header_place(self) -> int | None:
        """Line of the headings; None for rows, which are counted without them."""
        return 1 if self.unit == "line" else None

    def place(self, at: int, what: str) -> str:
        """Return a place for the report, such as ``line 3, column depth``."""
        return f"{self.unit} {at}, {what}"

    def include(self, other: Findings) -> None:
        """Add the findings in the file of test losses."""
        for mine, theirs in ((self.non_finite, other.non_finite), (self.duplicates, other.duplicates)):
            mine.extend(f"test losses, {name}" for name in theirs.named)
            mine.count += theirs.count - len(theirs.named)
        for ours, others in ((self.warnings, other.warnings), (self.notes, other.notes)):
            ours.extend(sentence for sentence in others if sentence not in ours)
