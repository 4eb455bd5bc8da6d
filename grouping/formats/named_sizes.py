"""Sizes that a file gives by name, such as ``resnet18``, as the numbers that a job has for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from grouping.errors import TableFormatError
from grouping.formats.cells import Cell


def with_numbers(
    header: Sequence[str], rows: Iterable[tuple[int, Sequence[Cell]]], sizes: Mapping[str, float] | None
) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield rows with the numbers of named sizes, in the column ``size`` and behind ``@`` in ``network``.

    Args:
        header: the headings.
        rows: place and cells of each row.
        sizes: numbers by name; numbers stay as they are.

    Raises:
        TableFormatError: if a size has another name.
    """
    if not sizes:
        yield from rows
        return
    size = header.index("size") if "size" in header else None
    network = header.index("network") if "network" in header else None
    for place, cells in rows:
        changed = list(cells)
        if size is not None and size < len(changed):
            changed[size] = _number(changed[size], sizes, place)
        if network is not None and network < len(changed) and isinstance(changed[network], str):
            stem, separator, name = str(changed[network]).partition("@")
            if separator:
                changed[network] = f"{stem}@{_number(name, sizes, place)}"
        yield place, changed


def _number(cell: Cell, sizes: Mapping[str, float], place: int) -> Cell:
    if not isinstance(cell, str) or not cell.strip():
        return cell
    name = cell.strip()
    if name in sizes:
        return repr(sizes[name])
    if name[0].isalpha() and name.lower() not in ("nan", "inf", "infinity", "null", "none", "na"):
        raise TableFormatError(
            f"no size has the name {name[:40]!r}. Names of sizes: {', '.join(sizes)}.", line=place
        )
    return cell
