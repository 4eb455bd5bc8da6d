"""Sizes that a file gives by name, such as ``resnet18``, as the numbers that a job has for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from grouping.formats.cells import Cell


def with_numbers(
    header: Sequence[str], rows: Iterable[tuple[int, Sequence[Cell]]], sizes: Mapping[str, float] | None
) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Yield rows with the numbers of named sizes, in the column ``size`` and behind ``@`` in ``network``.

    Args:
        header: the headings.
        rows: place and cells of each row.
        sizes: numbers by name; what is none of the names stays as it is.
    """
    if not sizes:
        yield from rows
        return
    size = header.index("size") if "size" in header else None
    network = header.index("network") if "network" in header else None
    for place, cells in rows:
        changed = list(cells)
        if size is not None and size < len(changed):
            changed[size] = _number(changed[size], sizes)
        if network is not None and network < len(changed) and isinstance(changed[network], str):
            stem, separator, name = str(changed[network]).partition("@")
            if separator:
                changed[network] = f"{stem}@{_number(name, sizes)}"
        yield place, changed


def _number(cell: Cell, sizes: Mapping[str, float]) -> Cell:
    if not isinstance(cell, str) or cell.strip() not in sizes:
        return cell
    return repr(sizes[cell.strip()])
