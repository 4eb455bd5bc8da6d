"""What is exported of a score table beside its scores, and in which formats."""

from __future__ import annotations

from enum import StrEnum


class Exported(StrEnum):
    """A view of a score table that is exported."""

    MATRIX = "matrix"
    """Affinities, a row for each ordered pair of tasks."""
    GRAPH = "graph"
    """Known affinities with the communities of tasks, a row for each effect."""
    CURVE = "curve"
    """The best grouping for each inference budget, and what needs no search, a row for each."""
    NETWORKS = "networks"
    """The best grouping within one inference budget, a row for each network."""


class ExportFormat(StrEnum):
    """Format of an export."""

    CSV = "csv"
    JSON = "json"
    SVG = "svg"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.SVG: "image/svg+xml",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
