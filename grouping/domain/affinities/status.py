"""Status of a cell of an affinity matrix: measured, estimated or unknown."""

from __future__ import annotations

from enum import StrEnum


class CellStatus(StrEnum):
    """Status of a cell: how its value is known."""

    MEASURED = "measured"
    """From the networks that the method compares, or a joint run."""
    ESTIMATED = "estimated"
    """From a model of other trained networks, some with the source and some without."""
    UNKNOWN = "unknown"
    """Nothing that was trained tells; there is no value."""

    @property
    def meaning(self) -> str:
        """Meaning of the status for people; a noun."""
        return _MEANINGS[self]


_MEANINGS = {
    CellStatus.MEASURED: "measured",
    CellStatus.ESTIMATED: "estimated from other networks",
    CellStatus.UNKNOWN: "unknown",
}
